package io.millrace.planner;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamSink;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.table.catalog.TableDistribution;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.sink.DataStreamSinkProvider;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.abilities.SupportsBucketing;
import org.apache.flink.table.connector.sink.abilities.SupportsOverwrite;
import org.apache.flink.table.connector.sink.abilities.SupportsPartitioning;
import org.apache.flink.table.connector.sink.abilities.SupportsTargetColumnWriting;
import org.apache.flink.table.connector.sink.abilities.SupportsWritingMetadata;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

/** A sink that can be planned with but not run. */
final class PlanningSink
    implements DynamicTableSink, SupportsWritingMetadata, SupportsPartitioning, SupportsOverwrite,
        SupportsBucketing, SupportsTargetColumnWriting {
  private static final Map<String, Class<?>> INTERFACES =
      Map.of(
          "metadata", SupportsWritingMetadata.class,
          "partition", SupportsPartitioning.class,
          "overwrite", SupportsOverwrite.class,
          "bucketing", SupportsBucketing.class,
          "target-columns", SupportsTargetColumnWriting.class);
  private final Abilities abilities;

  private PlanningSink(Abilities abilities) {
    this.abilities = abilities;
  }

  static DynamicTableSink of(Abilities abilities) {
    PlanningSink sink = new PlanningSink(abilities);
    return (DynamicTableSink) abilities.proxy(sink, DynamicTableSink.class, INTERFACES);
  }

  @Override
  public ChangelogMode getChangelogMode(ChangelogMode requested) {
    return abilities.mode(requested);
  }

  @Override
  public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
    return new DataStreamSinkProvider() { // for EXPLAIN, whose graph never runs
      @Override
      public DataStreamSink<?> consumeDataStream(
          ProviderContext provider, DataStream<RowData> rows) {
        return rows.sinkTo(new DiscardingSink<>());
      }
    };
  }

  @Override
  public Map<String, DataType> listWritableMetadata() {
    return abilities.metadata;
  }

  @Override
  public void applyWritableMetadata(List<String> keys, DataType type) {}

  @Override
  public void applyStaticPartition(Map<String, String> partition) {}

  @Override
  public void applyOverwrite(boolean overwrite) {}

  @Override
  public Set<TableDistribution.Kind> listAlgorithms() {
    return Set.of(TableDistribution.Kind.UNKNOWN, TableDistribution.Kind.HASH);
  }

  @Override
  public boolean requiresBucketCount() {
    return false;
  }

  @Override
  public boolean applyTargetColumns(int[][] columns) {
    return true;
  }

  @Override
  public DynamicTableSink copy() {
    return of(abilities);
  }

  @Override
  public String asSummaryString() {
    return abilities.name;
  }
}
