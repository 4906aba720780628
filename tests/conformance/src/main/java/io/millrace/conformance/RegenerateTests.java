package io.millrace.conformance;

import static org.apache.flink.table.api.Expressions.$;

import io.millrace.planner.Script;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.util.TestStreamEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.expressions.Expression;
import org.apache.flink.table.planner.factories.TestValuesTableFactory;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;
import org.apache.flink.table.types.logical.utils.LogicalTypeUtils;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.test.util.MiniClusterWithClientResource;
import org.apache.flink.types.Row;

/**
 * Runs each query of .test files in Flink and writes the rows that it gave under it.
 *
 * <p>Usage: {@code RegenerateTests [--check] FILE.test...}. With --check nothing is written, and
 * the exit status is 1 if a file differs. Also 1 if a query fails that should not, or the other
 * way round; such a file is left as it is. One embedded cluster runs all files, parallelism 1.
 */
public final class RegenerateTests {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern ROW = Pattern.compile("(?:([+-][IUD])\\s*)?(\\[.*\\])");
  private static final Pattern SETTING = Pattern.compile("set\\s+'([^']*)'\\s*=\\s*'([^']*)'");

  private int problems;
  private int queries;

  private RegenerateTests() {}

  /** Tables and settings of one file, and the queries run so far. */
  private final class Run {
    private final TestFile file;
    private final StreamTableEnvironment environment;
    private int sinks;
    private boolean isGood = true;

    Run(TestFile file) {
      this.file = file;
      StreamExecutionEnvironment streams = StreamExecutionEnvironment.getExecutionEnvironment();
      streams.setParallelism(1);
      environment = StreamTableEnvironment.create(streams);
      environment.getConfig().set("table.local-time-zone", "UTC");
    }

    void run() {
      for (TestFile.Block block : file.blocks) {
        if (block.isComment()) {
          continue;
        }
        try {
          if (block.isTable()) {
            createTable(block);
          } else if (block.isQuery()) {
            queries++;
            query(block);
          } else if (block.directive().startsWith("set ")) {
            for (String line : block.head) {
              set(line);
            }
          } else if (block.directive().equals("statement")) {
            for (Script.Statement statement : Script.split(block.sql())) {
              environment.executeSql(statement.text());
            }
          } else {
            throw new IllegalArgumentException("unknown block: " + block.directive());
          }
        } catch (Exception | Error e) {
          problem(block, reason(e));
        }
      }
    }

    private void problem(TestFile.Block block, String words) {
      problems++;
      isGood = false;
      System.err.printf("%s:%d: %s%n", file.path, block.line, words);
    }

    private void set(String line) {
      Matcher setting = SETTING.matcher(line);
      if (setting.matches()) {
        environment.getConfig().set(setting.group(1), setting.group(2));
      } else if (!line.startsWith("#")) {
        throw new IllegalArgumentException("not a setting: " + line);
      }
    }

    private void createTable(TestFile.Block block) throws IOException {
      Matcher table = block.table();
      String name = table.group(1);
      String schema = table.group(2);
      StringBuilder options = new StringBuilder("'connector' = 'values'");
      options.append(", 'runtime-source' = 'NewSource'");
      if (schema.toUpperCase(Locale.ROOT).contains("WATERMARK FOR")) {
        options.append(", 'disable-lookup' = 'true', 'enable-watermark-push-down' = 'true'");
        options.append(", 'scan.watermark.emit.strategy' = 'on-event'");
      }
      if (table.group(3) != null) {
        options.append(", ").append(table.group(3));
      }
      String create = "CREATE TABLE " + name + " " + schema + " WITH (" + options;
      // Created twice: the rows need the types, and the table the id of the rows.
      environment.executeSql(create + ")");
      List<DataTypes.Field> fields = new ArrayList<>();
      for (Column column : environment.from(name).getResolvedSchema().getColumns()) {
        if (column.isPhysical()) {
          fields.add(DataTypes.FIELD(column.getName(), column.getDataType()));
        }
      }
      RowType type = (RowType) DataTypes.ROW(fields).getLogicalType();
      List<Row> rows = new ArrayList<>();
      for (String line : block.rows) {
        Matcher row = ROW.matcher(line.strip());
        if (!row.matches()) {
          throw new IllegalArgumentException("not a row: " + line);
        }
        JsonNode values = JSON.readTree(row.group(2));
        rows.add(JsonRows.parse(row.group(1) == null ? "+I" : row.group(1), values, type));
      }
      environment.executeSql("DROP TABLE " + name);
      String id = TestValuesTableFactory.registerData(rows);
      environment.executeSql(create + ", 'data-id' = '" + id + "')");
    }

    private void query(TestFile.Block block) {
      String mode = block.directive().substring("query".length()).strip();
      boolean isError = mode.startsWith("error");
      if (block.rows == null) {
        block.rows = new ArrayList<>();
      }
      List<String> rows;
      try {
        rows = changes(block.sql());
      } catch (Exception | Error e) {
        String words = reason(e);
        String wanted = mode.substring(isError ? "error".length() : 0).strip();
        if (!isError) {
          problem(block, words);
        } else if (!words.contains(wanted)) {
          problem(block, "fails with other words: " + words);
        } else {
          block.rows = new ArrayList<>(List.of(words));
        }
        return;
      }
      if (isError) {
        problem(block, "should fail, but gives " + rows);
        return;
      }
      if (!mode.isEmpty() && !mode.equals("ordered") && !mode.equals("materialized")) {
        problem(block, "unknown mode of a query: " + mode);
      }
      if (mode.equals("materialized")) {
        rows = materialized(rows);
      }
      for (String row : rows) {
        if (row.isBlank() || row.contains("\n") || row.contains("\r")) {
          problem(block, "a row has a line break, which the file can't hold");
          return;
        }
      }
      // Order between keys and inputs is left open, so the same rows stay as they stand.
      boolean isOrdered = mode.equals("ordered");
      boolean isSame = isOrdered ? rows.equals(block.rows) : sameRows(rows, block.rows);
      if (!isSame) {
        block.rows = new ArrayList<>(rows);
      }
    }

    private boolean sameRows(List<String> rows, List<String> others) {
      return rows.stream().sorted().toList().equals(others.stream().sorted().toList());
    }

    private List<String> changes(String sql) throws Exception {
      Table query = withoutRowtimes(environment.sqlQuery(sql));
      Schema.Builder schema = Schema.newBuilder();
      for (Column column : query.getResolvedSchema().getColumns()) {
        LogicalType type =
            LogicalTypeUtils.removeTimeAttributes(column.getDataType().getLogicalType());
        schema.column(
            column.getName(), TypeConversions.fromLogicalToDataType(type).nullable());
      }
      String sink = "sink_" + ++sinks;
      environment.createTable(
          sink,
          TableDescriptor.forConnector("values")
              .schema(schema.build())
              .option("sink-insert-only", "false")
              .build());
      query.executeInsert(sink).await();
      return TestValuesTableFactory.getRawResultsAsStrings(sink);
    }
  }

  /** A sink takes one event time at most, a SELECT may have several: then they become plain. */
  private static Table withoutRowtimes(Table query) {
    List<Column> columns = query.getResolvedSchema().getColumns();
    long rowtimes = columns.stream().filter(RegenerateTests::isRowtime).count();
    if (rowtimes <= 1) {
      return query;
    }
    Expression[] plain =
        columns.stream()
            .map(
                column ->
                    isRowtime(column)
                        ? $(column.getName())
                            .cast(
                                TypeConversions.fromLogicalToDataType(
                                    LogicalTypeUtils.removeTimeAttributes(
                                        column.getDataType().getLogicalType())))
                            .as(column.getName())
                        : $(column.getName()))
            .toArray(Expression[]::new);
    return query.select(plain);
  }

  private static boolean isRowtime(Column column) {
    return LogicalTypeChecks.isRowtimeAttribute(column.getDataType().getLogicalType());
  }

  private static List<String> materialized(List<String> changes) {
    List<String> rows = new ArrayList<>();
    for (String change : changes) {
      String row = "+I" + change.substring(2);
      if (change.startsWith("+")) {
        rows.add(row);
      } else {
        rows.remove(row);
      }
    }
    return rows;
  }

  /** The first line of the innermost message. */
  private static String reason(Throwable error) {
    Throwable cause = error;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    String message = cause.getMessage();
    String words = message == null ? cause.getClass().getSimpleName() : message;
    return words.lines().filter(line -> !line.isBlank()).findFirst().orElse("").strip();
  }

  private boolean regenerate(Path path, boolean isCheck) throws IOException {
    TestFile file = new TestFile(path);
    String before = Files.readString(path);
    long start = System.nanoTime();
    int first = queries;
    Run run = new Run(file);
    run.run();
    TestValuesTableFactory.clearAllData();
    boolean isSame = file.text().equals(before);
    if (run.isGood && !isSame && !isCheck) {
      Files.writeString(path, file.text());
    }
    System.out.printf(
        "%-32s %3d queries %5.1f s %s%n",
        path.getFileName(), queries - first, (System.nanoTime() - start) / 1e9,
        run.isGood ? isSame ? "same" : isCheck ? "DIFFERS" : "written" : "PROBLEMS");
    return run.isGood && (isSame || !isCheck);
  }

  public static void main(String[] args) throws Exception {
    RegenerateTests tool = new RegenerateTests();
    List<Path> paths = new ArrayList<>();
    boolean isCheck = false;
    for (String arg : args) {
      isCheck |= arg.equals("--check");
      if (!arg.startsWith("--")) {
        paths.add(Path.of(arg));
      }
    }
    MiniClusterWithClientResource cluster =
        new MiniClusterWithClientResource(
            new MiniClusterResourceConfiguration.Builder()
                .setConfiguration(new Configuration())
                .setNumberTaskManagers(1)
                .setNumberSlotsPerTaskManager(2)
                .build());
    cluster.before();
    TestStreamEnvironment.setAsContext(cluster.getMiniCluster(), 1);
    boolean isGood = true;
    for (Path path : paths) {
      try {
        isGood &= tool.regenerate(path, isCheck);
      } catch (IOException | RuntimeException e) {
        isGood = false;
        System.err.println(path + ": " + e);
      }
    }
    System.out.printf("files %d queries %d problems %d%n",
        paths.size(), tool.queries, tool.problems);
    System.exit(isGood ? 0 : 1);
  }
}
