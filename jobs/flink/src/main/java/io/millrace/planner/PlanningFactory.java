package io.millrace.planner;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/**
 * Makes the sources and sinks of every described connector. They know what the connector can do,
 * which is all that planning needs, and never run. Options are checked by Flink's own helper.
 *
 * <p>A catalog hands this factory out ({@link PlanningCatalog}), so that no connector has a class
 * or a services entry of its own.
 */
final class PlanningFactory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
  private static final String CONNECTOR = FactoryUtil.CONNECTOR.key();
  private final Connectors connectors;

  PlanningFactory(Connectors connectors) {
    this.connectors = connectors;
  }

  @Override
  public String factoryIdentifier() {
    return "millrace";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of();
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    Connectors.Connector connector = connector(context);
    if (!connector.isSource()) {
      throw new ValidationException(
          String.format(
              "Connector '%s' can only be used as a sink. It cannot be used as a source.",
              connector.name()));
    }
    validate(connector, context);
    return PlanningSource.of(Abilities.ofSource(connector, format(connector, context), context));
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    Connectors.Connector connector = connector(context);
    if (!connector.isSink()) {
      throw new ValidationException(
          String.format(
              "Connector '%s' can only be used as a source. It cannot be used as a sink.",
              connector.name()));
    }
    validate(connector, context);
    return PlanningSink.of(Abilities.ofSink(connector, context));
  }

  private Connectors.Connector connector(DynamicTableFactory.Context context) {
    String name = context.getCatalogTable().getOptions().get(CONNECTOR);
    if (name == null) {
      throw new ValidationException(
          "Table options do not contain an option key 'connector' for discovering a connector.");
    }
    Connectors.Connector connector = connectors.connector(name);
    if (connector == null) {
      throw new ValidationException(
          String.format(
              "Could not find any factory for identifier '%s' that implements '%s' in the"
                  + " classpath.%n%nAvailable factory identifiers are:%n%n%s",
              name,
              DynamicTableFactory.class.getName(),
              String.join("\n", connectors.connectorNames())));
    }
    return connector;
  }

  /** The format under the first of the connector's format options that is set, or null. */
  private Connectors.Format format(
      Connectors.Connector connector, DynamicTableFactory.Context context) {
    for (String key : connector.formatKeys()) {
      String name = context.getCatalogTable().getOptions().get(key);
      if (name != null) {
        return format(name);
      }
    }
    return null;
  }

  private Connectors.Format format(String name) {
    Connectors.Format format = connectors.format(name);
    if (format == null) {
      throw new ValidationException(
          String.format(
              "Could not find any format factory for identifier '%s' in the classpath.%n%n"
                  + "Available format identifiers are:%n%n%s",
              name, String.join("\n", connectors.formatNames())));
    }
    return format;
  }

  private void validate(Connectors.Connector connector, DynamicTableFactory.Context context) {
    Map<String, String> table = context.getCatalogTable().getOptions();
    List<Connectors.Option> options = new ArrayList<>(connector.options());
    for (String key : connector.formatKeys()) {
      String name = table.get(key);
      if (options.stream().noneMatch(option -> option.key().equals(key))) {
        options.add(new Connectors.Option(key, "string", false, Set.of(), List.of()));
      }
      if (name != null) {
        // 'format' = 'json' has options json.*, 'value.format' = 'json' has value.json.*
        String space = key.equals("format") ? "" : key.substring(0, key.lastIndexOf('.') + 1);
        String prefix = space + name + ".";
        format(name).options().forEach(option -> options.add(option.under(prefix)));
      }
    }
    Declared declared = new Declared(connector.name(), options);
    FactoryUtil.TableFactoryHelper helper =
        FactoryUtil.createTableFactoryHelper(declared, context);
    String[] prefixes =
        options.stream()
            .filter(Connectors.Option::isPrefix)
            .map(Connectors.Option::key)
            .toArray(String[]::new);
    try {
      if (prefixes.length == 0) {
        helper.validate();
      } else {
        helper.validateExcept(prefixes);
      }
    } catch (ValidationException e) {
      throw withNearest(e, table.keySet(), options);
    }
    for (Connectors.Option option : options) {
      String value = table.get(option.key());
      if (value != null && !option.choices().isEmpty()) {
        if (option.choices().stream().noneMatch(value::equalsIgnoreCase)) {
          throw new ValidationException(
              String.format(
                  "Invalid value for option '%s'. Could not parse value '%s'."
                      + " Expected one of: %s",
                  option.key(), value, new TreeSet<>(option.choices())));
        }
      }
    }
  }

  private static ValidationException withNearest(
      ValidationException error, Set<String> given, List<Connectors.Option> options) {
    if (!error.getMessage().startsWith("Unsupported options")) {
      return error;
    }
    Set<String> known = options.stream().map(Connectors.Option::key).collect(Collectors.toSet());
    String unsupported = error.getMessage().split("Supported options:")[0];
    StringBuilder hints = new StringBuilder();
    for (String key : new TreeSet<>(given)) {
      if (!known.contains(key) && unsupported.lines().anyMatch(key::equals)) {
        known.stream()
            .filter(other -> distance(key, other) <= 3)
            .min((a, b) -> Integer.compare(distance(key, a), distance(key, b)))
            .ifPresent(
                near -> hints.append("\n\nDid you mean '").append(near).append("' instead of '")
                    .append(key).append("'?"));
      }
    }
    return new ValidationException(error.getMessage() + hints);
  }

  /** Edits between two words. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(change, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }

  /** The options of one connector in the form that Flink's checks want. */
  private static final class Declared implements DynamicTableFactory {
    private final String name;
    private final Set<ConfigOption<?>> required = new HashSet<>();
    private final Set<ConfigOption<?>> optional = new HashSet<>();

    Declared(String name, List<Connectors.Option> options) {
      this.name = name;
      for (Connectors.Option option : options) {
        if (!option.isPrefix()) {
          (option.required() ? required : optional).add(option.configOption());
        }
      }
    }

    @Override
    public String factoryIdentifier() {
      return name;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
      return required;
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
      return optional;
    }
  }
}
