package io.millrace.planner;

import static org.apache.flink.table.api.Expressions.$;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.api.CompiledPlan;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.internal.TableEnvironmentImpl;
import org.apache.flink.table.api.internal.TableEnvironmentInternal;
import org.apache.flink.table.catalog.CatalogManager;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ObjectIdentifier;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.expressions.Expression;
import org.apache.flink.table.operations.BeginStatementSetOperation;
import org.apache.flink.table.operations.CreateTableASOperation;
import org.apache.flink.table.operations.EndStatementSetOperation;
import org.apache.flink.table.operations.ModifyOperation;
import org.apache.flink.table.operations.Operation;
import org.apache.flink.table.operations.QueryOperation;
import org.apache.flink.table.operations.ReplaceTableAsOperation;
import org.apache.flink.table.operations.SinkModifyOperation;
import org.apache.flink.table.operations.StatementSetOperation;
import org.apache.flink.table.operations.command.AddJarOperation;
import org.apache.flink.table.operations.command.ExecutePlanOperation;
import org.apache.flink.table.operations.command.ResetOperation;
import org.apache.flink.table.operations.command.SetOperation;
import org.apache.flink.table.operations.ddl.CompilePlanOperation;
import org.apache.flink.table.operations.ddl.CreateCatalogOperation;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;
import org.apache.flink.table.types.logical.utils.LogicalTypeUtils;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * A table environment and what scripts did to it. Runs a script statement by statement: what
 * defines something is executed, what would start a job is compiled. Not thread-safe.
 */
final class Session {
  private static final String CATALOG = "default_catalog";
  private static final Pattern CREATE_FUNCTION =
      Pattern.compile(
          "CREATE\\s+(OR\\s+REPLACE\\s+)?(TEMPORARY\\s+)?(SYSTEM\\s+)?FUNCTION\\b",
          Pattern.CASE_INSENSITIVE);
  private static final String NO_JVM = "the runtime has no JVM to run it in";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final TableEnvironmentInternal environment;
  private final Connectors connectors;
  private final Map<String, String> initial;
  private final Map<String, String> settings = new TreeMap<>();
  private List<ModifyOperation> openSet; // between BEGIN STATEMENT SET and END
  private int collects;

  /** A plan, and for a SELECT the columns that it collects. */
  record Plan(String name, int line, JsonNode json, Map<String, String> options,
      ResolvedSchema collected) {

    ObjectNode toJson() {
      ObjectNode node = JSON.createObjectNode();
      node.put("name", name);
      node.put("line", line);
      if (collected != null) {
        node.put("collect", true);
        ArrayNode columns = node.putArray("columns");
        for (Column column : collected.getColumns()) {
          LogicalType type = column.getDataType().getLogicalType();
          columns.addObject()
              .put("name", column.getName())
              .put("type", LogicalTypeUtils.removeTimeAttributes(type).asSerializableString());
        }
      }
      ObjectNode set = node.putObject("options");
      options.forEach(set::put);
      node.set("plan", json);
      return node;
    }
  }

  /** What a script gave: plans, and the rows of statements such as SHOW and EXPLAIN. */
  record Outcome(List<Plan> plans, List<ObjectNode> results) {}

  Session(Connectors connectors, Map<String, String> options) {
    this.connectors = connectors;
    initial = Map.copyOf(options);
    environment =
        (TableEnvironmentInternal)
            TableEnvironment.create(
                EnvironmentSettings.newInstance()
                    .inStreamingMode()
                    .withBuiltInCatalogName("flink_builtin")
                    .build());
    register(CATALOG);
    environment.useCatalog(CATALOG);
    options.forEach(this::set);
  }

  @SuppressWarnings("deprecation") // the newer way finds a catalog by a services entry
  private void register(String catalog) {
    environment.registerCatalog(catalog, new PlanningCatalog(catalog, connectors));
  }

  private void set(String key, String value) {
    if (key.equals("execution.runtime-mode") && !value.equalsIgnoreCase("streaming")) {
      throw new UnsupportedOperationException(
          "execution.runtime-mode '" + value + "' is not supported, only 'streaming'");
    }
    environment.getConfig().set(key, value);
    settings.put(key, value);
  }

  private void reset(String key) {
    environment.getConfig().getConfiguration().removeKey(key);
    settings.remove(key);
    if (initial.containsKey(key)) {
      set(key, initial.get(key));
    }
  }

  /** Runs all statements; the first that fails ends the script. */
  Outcome run(String script) throws Failure {
    Outcome outcome = new Outcome(new ArrayList<>(), new ArrayList<>());
    openSet = null;
    Script.Statement last = null;
    for (Script.Statement statement : Script.split(script)) {
      try {
        refuse(statement.text());
        for (Operation operation : environment.getParser().parse(statement.placed())) {
          run(operation, statement, outcome);
        }
      } catch (Failure e) {
        throw e;
      } catch (Exception | LinkageError | AssertionError e) {
        throw Failure.of(statement, e);
      }
      last = statement;
    }
    if (openSet != null) {
      throw Failure.of(last, new IllegalStateException("the statement set has no END"));
    }
    return outcome;
  }

  private static void refuse(String text) {
    if (CREATE_FUNCTION.matcher(text).lookingAt()) {
      throw new UnsupportedOperationException(
          "user-defined functions are not supported: " + NO_JVM);
    }
  }

  private void run(Operation operation, Script.Statement statement, Outcome outcome)
      throws Exception {
    if (operation instanceof SetOperation set && set.getKey().isPresent()) {
      set(set.getKey().get(), set.getValue().orElse(""));
    } else if (operation instanceof ResetOperation reset) {
      if (reset.getKey().isPresent()) {
        reset(reset.getKey().get());
      } else {
        List.copyOf(settings.keySet()).forEach(this::reset);
      }
    } else if (operation instanceof BeginStatementSetOperation) {
      openSet = new ArrayList<>();
    } else if (operation instanceof EndStatementSetOperation) {
      List<ModifyOperation> inserts = openSet;
      if (inserts == null) {
        throw new IllegalStateException("END without BEGIN STATEMENT SET");
      }
      openSet = null;
      outcome.plans().add(compile(inserts, statement, null));
    } else if (operation instanceof StatementSetOperation set) {
      outcome.plans().add(compile(set.getOperations(), statement, null));
    } else if (operation instanceof CreateTableASOperation create) {
      environment.executeInternal(create.getCreateTableOperation());
      insert(create.toSinkModifyOperation(environment.getCatalogManager()), statement, outcome);
    } else if (operation instanceof ReplaceTableAsOperation) {
      throw new UnsupportedOperationException("REPLACE TABLE AS is not supported");
    } else if (operation instanceof ModifyOperation modify) {
      insert(modify, statement, outcome);
    } else if (operation instanceof QueryOperation query) {
      outcome.plans().add(collect(query, statement));
    } else if (operation instanceof CreateCatalogOperation create) {
      createCatalog(create);
    } else if (operation instanceof AddJarOperation) {
      throw new UnsupportedOperationException("ADD JAR is not supported: " + NO_JVM);
    } else if (operation instanceof CompilePlanOperation
        || operation instanceof ExecutePlanOperation) {
      throw new UnsupportedOperationException(
          "COMPILE PLAN and EXECUTE PLAN are not supported: every INSERT is compiled");
    } else {
      result(operation, statement, outcome);
    }
  }

  private void insert(ModifyOperation operation, Script.Statement statement, Outcome outcome)
      throws JsonProcessingException {
    if (openSet != null) {
      openSet.add(operation);
    } else {
      outcome.plans().add(compile(List.of(operation), statement, null));
    }
  }

  private void createCatalog(CreateCatalogOperation create) {
    String type = create.getProperties().get("type");
    if (!"generic_in_memory".equals(type)) {
      throw new UnsupportedOperationException(
          "a catalog of type '" + type + "' is not supported, only 'generic_in_memory'");
    }
    register(create.getCatalogName());
  }

  /** A SELECT becomes an INSERT into a table of its own whose connector is 'collect'. */
  private Plan collect(QueryOperation select, Script.Statement statement) throws Exception {
    QueryOperation query = withoutRowtimes(select);
    Schema.Builder columns = Schema.newBuilder();
    for (Column column : query.getResolvedSchema().getColumns()) {
      columns.column(column.getName(), plain(column).nullable());
    }
    ObjectIdentifier table =
        ObjectIdentifier.of(CATALOG, "default_database", "collect_" + ++collects);
    environment.createTable(
        table.asSerializableString(),
        TableDescriptor.forConnector("collect").schema(columns.build()).build());
    try {
      CatalogManager catalogs = environment.getCatalogManager();
      SinkModifyOperation insert =
          new SinkModifyOperation(catalogs.getTableOrError(table), query);
      return compile(List.of(insert), statement, select.getResolvedSchema());
    } finally {
      environment.executeSql("DROP TABLE " + table.asSerializableString());
    }
  }

  private static DataType plain(Column column) {
    LogicalType type = column.getDataType().getLogicalType();
    return TypeConversions.fromLogicalToDataType(LogicalTypeUtils.removeTimeAttributes(type));
  }

  /** A sink takes one event time at most, a SELECT may have several: then they become plain. */
  private QueryOperation withoutRowtimes(QueryOperation query) {
    List<Column> columns = query.getResolvedSchema().getColumns();
    long rowtimes =
        columns.stream()
            .filter(c -> LogicalTypeChecks.isRowtimeAttribute(c.getDataType().getLogicalType()))
            .count();
    if (rowtimes <= 1) {
      return query;
    }
    Expression[] plain =
        columns.stream()
            .map(
                column ->
                    LogicalTypeChecks.isRowtimeAttribute(column.getDataType().getLogicalType())
                        ? $(column.getName()).cast(plain(column)).as(column.getName())
                        : $(column.getName()))
            .toArray(Expression[]::new);
    Table table = ((TableEnvironmentImpl) environment).createTable(query);
    return table.select(plain).getQueryOperation();
  }

  private Plan compile(
      List<ModifyOperation> operations, Script.Statement statement, ResolvedSchema collected)
      throws JsonProcessingException {
    if (operations.isEmpty()) {
      throw new IllegalStateException("the statement set is empty");
    }
    CompiledPlan plan = environment.compilePlan(operations);
    String name = settings.get("pipeline.name");
    if (name == null && collected != null) {
      name = "collect";
    } else if (name == null) {
      name =
          operations.stream()
              .map(operation -> ((SinkModifyOperation) operation).getContextResolvedTable())
              .map(table -> table.getIdentifier().asSummaryString())
              .distinct()
              .collect(Collectors.joining(",", "insert-into_", ""));
    }
    return new Plan(
        name,
        statement.line(),
        PlanNumbers.renumber(plan.asJsonString()),
        new TreeMap<>(settings),
        collected);
  }

  /** Executes what needs no job; the rows of SHOW, DESCRIBE, EXPLAIN and the like are kept. */
  private void result(Operation operation, Script.Statement statement, Outcome outcome)
      throws Exception {
    TableResult result = environment.executeInternal(operation);
    List<String> names = result.getResolvedSchema().getColumnNames();
    ArrayNode rows = JSON.createArrayNode();
    try (CloseableIterator<Row> iterator = result.collect()) {
      while (iterator.hasNext()) {
        Row row = iterator.next();
        ArrayNode fields = rows.addArray();
        for (int i = 0; i < row.getArity(); i++) {
          Object field = row.getField(i);
          fields.add(field == null ? null : field.toString());
        }
      }
    }
    boolean isOk = names.equals(List.of("result")) && rows.size() == 1
        && rows.get(0).get(0).asText().equals("OK");
    if (!isOk) {
      ObjectNode node = JSON.createObjectNode();
      node.put("line", statement.line());
      ArrayNode columns = node.putArray("columns");
      names.forEach(columns::add);
      node.set("rows", rows);
      outcome.results().add(node);
    }
  }
}
