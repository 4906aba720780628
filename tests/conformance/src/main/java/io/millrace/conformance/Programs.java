package io.millrace.conformance;

import io.millrace.planner.PlanNumbers;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.config.TableConfigOptions;
import org.apache.flink.table.catalog.CatalogTable;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ObjectPath;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.catalog.UniqueConstraint;
import org.apache.flink.table.planner.factories.TestValuesModelFactory;
import org.apache.flink.table.planner.factories.TestValuesTableFactory;
import org.apache.flink.table.planner.plan.nodes.exec.testutils.CommonSemanticTestBase;
import org.apache.flink.table.planner.plan.nodes.exec.testutils.RestoreTestBase;
import org.apache.flink.table.test.program.ConfigOptionTestStep;
import org.apache.flink.table.test.program.FunctionTestStep;
import org.apache.flink.table.test.program.ModelTestStep;
import org.apache.flink.table.test.program.SinkTestStep;
import org.apache.flink.table.test.program.SourceTestStep;
import org.apache.flink.table.test.program.SqlTestStep;
import org.apache.flink.table.test.program.StatementSetTestStep;
import org.apache.flink.table.test.program.TableTestProgram;
import org.apache.flink.table.test.program.TableTestStep;
import org.apache.flink.table.test.program.TemporalFunctionTestStep;
import org.apache.flink.table.test.program.TestStep;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.types.Row;

/**
 * Reads Flink's own test programs out of its `tests` jars and writes what another runtime needs to
 * run them: rows in, plan, rows expected.
 *
 * <p>Usage: {@code Programs out.jsonl flink-tests.jar...}. A line is a program; its form is that of
 * README.md, "The dump". Environment and tables are set up as Flink's RestoreTestBase (programs
 * that a restore test runs) and CommonSemanticTestBase (the others) do.
 */
public final class Programs {
  private static final String HOLDERS =
      ".*(TestPrograms|SemanticTests?|DeletesByKeyPrograms)\\.class";
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** How restore tests end the second phase: FINITE, INFINITE or NO_RESTORE, by program. */
  private final Map<TableTestProgram, String> restoreModes = new IdentityHashMap<>();

  /** The semantic test that runs a program; some choose settings of their own. */
  private final Map<TableTestProgram, CommonSemanticTestBase> semanticTests =
      new IdentityHashMap<>();

  private Programs() {}

  private record Found(String holder, String field, TableTestProgram program) {}

  private static List<Class<?>> classes(Path jar, String pattern)
      throws IOException, ClassNotFoundException {
    List<String> names = new ArrayList<>();
    try (JarFile file = new JarFile(jar.toFile())) {
      file.stream()
          .map(entry -> entry.getName())
          .filter(name -> name.matches(pattern))
          .map(name -> name.replaceFirst("\\.class$", "").replace('/', '.'))
          .sorted()
          .forEach(names::add);
    }
    List<Class<?>> classes = new ArrayList<>();
    for (String name : names) {
      classes.add(Class.forName(name));
    }
    return classes;
  }

  /** All programs of a jar that is on the class path, in a fixed order. */
  private static List<Found> programs(Path jar) throws Exception {
    List<Found> programs = new ArrayList<>();
    for (Class<?> holder : classes(jar, HOLDERS)) {
      for (Field field : holder.getDeclaredFields()) {
        boolean isStatic = Modifier.isStatic(field.getModifiers());
        if (isStatic && field.getType() == TableTestProgram.class) {
          field.setAccessible(true);
          TableTestProgram program = (TableTestProgram) field.get(null);
          programs.add(new Found(holder.getSimpleName(), field.getName(), program));
        }
      }
    }
    return programs;
  }

  private void readTests(Path jar) throws Exception {
    Field mode = RestoreTestBase.class.getDeclaredField("afterRestoreSource");
    mode.setAccessible(true);
    for (Class<?> type : classes(jar, ".*(RestoreTest|SemanticTests?)\\.class")) {
      if (Modifier.isAbstract(type.getModifiers())) {
        continue;
      }
      if (RestoreTestBase.class.isAssignableFrom(type)) {
        RestoreTestBase test = (RestoreTestBase) instance(type);
        for (TableTestProgram program : test.programs()) {
          restoreModes.put(program, mode.get(test).toString());
        }
      } else if (CommonSemanticTestBase.class.isAssignableFrom(type)) {
        CommonSemanticTestBase test = (CommonSemanticTestBase) instance(type);
        Method isBounded = method(type, "isBounded");
        if (!(Boolean) isBounded.invoke(test)) {
          test.programs().forEach(program -> semanticTests.put(program, test));
        }
      }
    }
  }

  private static Object instance(Class<?> type) throws ReflectiveOperationException {
    var constructor = type.getDeclaredConstructor();
    constructor.setAccessible(true);
    return constructor.newInstance();
  }

  private static Method method(Class<?> type, String name, Class<?>... parameters)
      throws NoSuchMethodException {
    for (Class<?> holder = type; holder != null; holder = holder.getSuperclass()) {
      try {
        Method method = holder.getDeclaredMethod(name, parameters);
        method.setAccessible(true);
        return method;
      } catch (NoSuchMethodException e) {
        continue; // look in the superclass
      }
    }
    throw new NoSuchMethodException(type + "." + name);
  }

  private ObjectNode dump(Found found) {
    TableTestProgram program = found.program();
    ObjectNode node = JSON.objectNode();
    node.put("class", found.holder());
    node.put("field", found.field());
    node.put("id", program.id);
    node.put("description", program.description);
    node.put("restore", restoreModes.get(program));
    ObjectNode config = node.putObject("config");
    for (ConfigOptionTestStep<?> option : program.getSetupConfigOptionTestSteps()) {
      Configuration text = new Configuration();
      set(text, option);
      text.toMap().forEach(config::put);
    }
    boolean needsJava = false;
    boolean isFailing = false;
    int runs = 0;
    ArrayNode setup = node.putArray("setup");
    ArrayNode run = node.putArray("run");
    for (TestStep step : program.setupSteps) {
      needsJava |=
          step instanceof FunctionTestStep
              || step instanceof TemporalFunctionTestStep
              || step instanceof ModelTestStep;
      if (step instanceof SqlTestStep sql) {
        setup.add(sql.sql);
      }
    }
    for (TestStep step : program.runSteps) {
      isFailing |= step.getKind().name().startsWith("FAILING");
      if (step instanceof SqlTestStep sql) {
        run.add(sql.sql);
        runs++;
      } else if (step instanceof StatementSetTestStep set) {
        ArrayNode statements = run.addArray();
        set.statements.forEach(statements::add);
        runs++;
      }
    }
    node.put("needsJava", needsJava);
    node.put("failing", isFailing);
    boolean isTested =
        program.getSetupSinkTestSteps().stream()
            .anyMatch(sink -> sink.getExpectedAsStrings() != null || isMaterialized(sink));
    node.put("pure", runs > 0 && isTested && !needsJava && !isFailing);
    if (runs == 0 || isFailing) {
      node.put("error", isFailing ? "meant to fail" : "runs no SQL");
      return node;
    }
    try {
      compile(program, node);
    } catch (Exception | LinkageError | AssertionError e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      String words = cause.getClass().getSimpleName() + ": " + cause.getMessage();
      node.put("error", words.lines().findFirst().orElse(""));
    } finally {
      TestValuesTableFactory.clearAllData();
    }
    return node;
  }

  private static boolean isMaterialized(SinkTestStep sink) {
    return sink.expectedMaterializedRows != null || sink.expectedMaterializedStrings != null;
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static void set(Configuration target, ConfigOptionTestStep<?> option) {
    target.set((org.apache.flink.configuration.ConfigOption) option.option, option.value);
  }

  private void compile(TableTestProgram program, ObjectNode node) throws Exception {
    TableEnvironment environment = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    environment.getConfig().set("table.local-time-zone", "UTC");
    environment.getConfig()
        .set(
            TableConfigOptions.PLAN_COMPILE_CATALOG_OBJECTS,
            TableConfigOptions.CatalogPlanCompilation.ALL);
    CommonSemanticTestBase test = semanticTests.get(program);
    if (test != null) {
      method(test.getClass(), "applyDefaultEnvironmentOptions", TableConfig.class)
          .invoke(test, environment.getConfig());
    }
    ObjectNode settings = node.putObject("settings");
    new TreeMap<>(environment.getConfig().getConfiguration().toMap()).forEach(settings::put);
    program.getSetupConfigOptionTestSteps().forEach(step -> step.apply(environment));
    ArrayNode tables = node.putArray("tables");
    for (TestStep step : program.setupSteps) {
      Map<String, String> options = new HashMap<>();
      if (step instanceof FunctionTestStep function) {
        function.apply(environment);
      } else if (step instanceof SourceTestStep source) {
        options.put("connector", "values");
        options.put("data-id", TestValuesTableFactory.registerData(source.dataBeforeRestore));
        options.put("runtime-source", "NewSource");
        if (source.schemaComponents.stream().anyMatch(line -> line.startsWith("WATERMARK FOR"))) {
          options.put("disable-lookup", "true");
          options.put("enable-watermark-push-down", "true");
          options.put("scan.watermark.emit.strategy", "on-event");
        }
        source.apply(environment, options);
        tables.add(source(environment, source));
      } else if (step instanceof SinkTestStep sink) {
        options.put("connector", "values");
        options.put("sink-insert-only", "false");
        sink.apply(environment, options);
        tables.add(sink(environment, sink));
      } else if (step instanceof ModelTestStep model) {
        options.put("provider", "values");
        options.put("data-id", TestValuesModelFactory.registerData(model.data));
        model.apply(environment, options);
      } else if (step instanceof SqlTestStep sql) {
        sql.apply(environment);
      }
    }
    for (TemporalFunctionTestStep function : program.getSetupTemporalFunctionTestSteps()) {
      function.apply(environment); // refers to tables, hence last
    }
    ArrayNode plans = node.putArray("plans");
    for (TestStep step : program.runSteps) {
      if (step instanceof SqlTestStep sql) {
        plans.add(PlanNumbers.renumber(environment.compilePlanSql(sql.sql).asJsonString()));
      } else if (step instanceof StatementSetTestStep set) {
        plans.add(PlanNumbers.renumber(set.compiledPlan(environment).asJsonString()));
      }
    }
  }

  private static ObjectNode table(TableEnvironment environment, TableTestStep step, String role)
      throws Exception {
    ObjectNode node = JSON.objectNode();
    node.put("name", step.name);
    node.put("role", role);
    ArrayNode lines = node.putArray("ddl");
    step.schemaComponents.forEach(lines::add);
    CatalogTable table =
        (CatalogTable)
            environment.getCatalog("default_catalog").orElseThrow()
                .getTable(new ObjectPath("default_database", step.name));
    ObjectNode options = node.putObject("options");
    new TreeMap<>(table.getOptions()).forEach(options::put);
    ArrayNode partitionKeys = node.putArray("partitionKeys");
    table.getPartitionKeys().forEach(partitionKeys::add);
    ResolvedSchema schema = environment.from(step.name).getResolvedSchema();
    ArrayNode columns = node.putArray("columns");
    for (Column column : schema.getColumns()) {
      columns.addObject()
          .put("name", column.getName())
          .put("type", column.getDataType().getLogicalType().asSummaryString())
          .put("physical", column.isPhysical());
    }
    ArrayNode key = node.putArray("primaryKey");
    schema.getPrimaryKey().map(UniqueConstraint::getColumns).orElse(List.of()).forEach(key::add);
    return node;
  }

  private static ObjectNode source(TableEnvironment environment, SourceTestStep step)
      throws Exception {
    ObjectNode node = table(environment, step, "source");
    List<DataTypes.Field> fields = new ArrayList<>();
    for (Column column : environment.from(step.name).getResolvedSchema().getColumns()) {
      if (column.isPhysical()) {
        fields.add(DataTypes.FIELD(column.getName(), column.getDataType()));
      }
    }
    ArrayNode metadata = node.putArray("metadata");
    Map<String, String> declared =
        Configuration.fromMap(step.options)
            .get(ConfigOptions.key("readable-metadata").mapType().defaultValue(Map.of()));
    for (Map.Entry<String, String> column : new TreeMap<>(declared).entrySet()) {
      DataType type =
          TypeConversions.fromLogicalToDataType(
              LogicalTypeParser.parse(column.getValue(), Programs.class.getClassLoader()));
      metadata.addObject().put("key", column.getKey()).put("type", column.getValue());
      fields.add(DataTypes.FIELD("$metadata$" + column.getKey(), type));
    }
    DataType type = DataTypes.ROW(fields);
    node.put("beforeIsConsumed", step.treatDataBeforeRestoreAsConsumedData);
    try {
      node.set("before", JsonRows.rows(step.dataBeforeRestore, type));
      node.set("after", JsonRows.rows(step.dataAfterRestore, type));
    } catch (UnsupportedOperationException e) {
      node.put("rowsError", e.getMessage());
    }
    return node;
  }

  private static ObjectNode sink(TableEnvironment environment, SinkTestStep step)
      throws Exception {
    ObjectNode node = table(environment, step, "sink");
    node.put("testsChangelog", step.testChangelogData);
    ObjectNode expected = node.putObject("expected");
    put(expected, "before", step.getExpectedBeforeRestoreAsStrings());
    put(expected, "after", step.getExpectedAfterRestoreAsStrings());
    put(expected, "all", step.getExpectedAsStrings());
    put(
        expected,
        "materialized",
        isMaterialized(step) ? step.getExpectedMaterializedResultsAsStrings() : null);
    return node;
  }

  private static void put(ObjectNode node, String name, List<String> rows) {
    if (rows == null) {
      node.putNull(name);
      return;
    }
    ArrayNode array = node.putArray(name);
    rows.forEach(array::add);
  }

  public static void main(String[] args) throws Exception {
    Programs programs = new Programs();
    List<Found> all = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      programs.readTests(Path.of(args[i]));
      all.addAll(programs(Path.of(args[i])));
    }
    int compiled = 0;
    int pure = 0;
    try (PrintStream lines =
        new PrintStream(Files.newOutputStream(Path.of(args[0])), false, StandardCharsets.UTF_8)) {
      for (Found found : all) {
        ObjectNode node = programs.dump(found);
        lines.print(node + "\n");
        compiled += node.has("plans") && !node.has("error") ? 1 : 0;
        pure += node.get("pure").asBoolean() ? 1 : 0;
      }
    }
    System.out.printf("programs %d pure %d compiled %d%n", all.size(), pure, compiled);
    System.exit(0);
  }
}
