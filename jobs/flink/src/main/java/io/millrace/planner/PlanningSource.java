package io.millrace.planner;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.connector.source.abilities.SupportsFilterPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsLimitPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsPartitionPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsReadingMetadata;
import org.apache.flink.table.connector.source.abilities.SupportsSourceWatermark;
import org.apache.flink.table.connector.source.abilities.SupportsWatermarkPushDown;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.expressions.CallExpression;
import org.apache.flink.table.expressions.FieldReferenceExpression;
import org.apache.flink.table.expressions.ResolvedExpression;
import org.apache.flink.table.expressions.ValueLiteralExpression;
import org.apache.flink.table.functions.BuiltInFunctionDefinitions;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.LookupFunction;
import org.apache.flink.table.types.DataType;

/** A source that can be planned with but not run. */
final class PlanningSource
    implements ScanTableSource, LookupTableSource, SupportsProjectionPushDown,
        SupportsFilterPushDown, SupportsLimitPushDown, SupportsPartitionPushDown,
        SupportsWatermarkPushDown, SupportsSourceWatermark, SupportsReadingMetadata {
  private static final Map<String, Class<?>> INTERFACES =
      Map.of(
          "projection", SupportsProjectionPushDown.class,
          "filter", SupportsFilterPushDown.class,
          "limit", SupportsLimitPushDown.class,
          "partition-pushdown", SupportsPartitionPushDown.class,
          "watermark", SupportsWatermarkPushDown.class,
          "source-watermark", SupportsSourceWatermark.class,
          "metadata", SupportsReadingMetadata.class,
          "lookup", LookupTableSource.class);

  /** What a source that takes filters is expected to evaluate; the planner keeps the rest. */
  private static final Set<FunctionDefinition> PUSHED =
      Set.of(
          BuiltInFunctionDefinitions.AND,
          BuiltInFunctionDefinitions.OR,
          BuiltInFunctionDefinitions.EQUALS,
          BuiltInFunctionDefinitions.NOT_EQUALS,
          BuiltInFunctionDefinitions.LESS_THAN,
          BuiltInFunctionDefinitions.LESS_THAN_OR_EQUAL,
          BuiltInFunctionDefinitions.GREATER_THAN,
          BuiltInFunctionDefinitions.GREATER_THAN_OR_EQUAL);

  private final Abilities abilities;

  private PlanningSource(Abilities abilities) {
    this.abilities = abilities;
  }

  static DynamicTableSource of(Abilities abilities) {
    PlanningSource source = new PlanningSource(abilities);
    return (DynamicTableSource) abilities.proxy(source, ScanTableSource.class, INTERFACES);
  }

  @Override
  public ChangelogMode getChangelogMode() {
    return abilities.mode(ChangelogMode.all());
  }

  @Override
  public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
    return new NoRows(abilities.isBounded);
  }

  @Override
  public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
    return LookupFunctionProvider.of(new NoLookup());
  }

  @Override
  public boolean supportsNestedProjection() {
    return abilities.has("nested-projection");
  }

  @Override
  public void applyProjection(int[][] fields, DataType type) {}

  @Override
  public Result applyFilters(List<ResolvedExpression> filters) {
    List<ResolvedExpression> accepted = new ArrayList<>();
    List<ResolvedExpression> remaining = new ArrayList<>();
    for (ResolvedExpression filter : filters) {
      (isPushed(filter) ? accepted : remaining).add(filter);
    }
    return Result.of(accepted, remaining);
  }

  private boolean isPushed(ResolvedExpression expression) {
    if (expression instanceof CallExpression call) {
      return PUSHED.contains(call.getFunctionDefinition())
          && call.getResolvedChildren().stream().allMatch(this::isPushed);
    }
    if (expression instanceof FieldReferenceExpression field) {
      return abilities.filterable == null || abilities.filterable.contains(field.getName());
    }
    return expression instanceof ValueLiteralExpression;
  }

  @Override
  public void applyLimit(long limit) {}

  @Override
  public Optional<List<Map<String, String>>> listPartitions() {
    return abilities.partitions.isEmpty() ? Optional.empty() : Optional.of(abilities.partitions);
  }

  @Override
  public void applyPartitions(List<Map<String, String>> remaining) {}

  @Override
  public void applyWatermark(WatermarkStrategy<RowData> strategy) {}

  @Override
  public void applySourceWatermark() {}

  @Override
  public Map<String, DataType> listReadableMetadata() {
    return abilities.metadata;
  }

  @Override
  public void applyReadableMetadata(List<String> keys, DataType type) {}

  @Override
  public DynamicTableSource copy() {
    return of(abilities);
  }

  @Override
  public String asSummaryString() {
    return abilities.name;
  }

  /** Asked whether it is bounded; EXPLAIN also puts the source into a graph that never runs. */
  private record NoRows(boolean isBounded) implements SourceProvider {
    @Override
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Source<RowData, ?, ?> createSource() {
      return (Source) new NumberSequenceSource(0, 0);
    }
  }

  /** Never called. */
  public static final class NoLookup extends LookupFunction {
    private static final long serialVersionUID = 1L;

    @Override
    public Collection<RowData> lookup(RowData key) {
      return List.of();
    }
  }
}
