package io.millrace.planner;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.RowKind;

/**
 * What one table's source or sink can do: from the description of its connector, for 'values' also
 * from the options of the table, by the rules of Flink's test connector of that name.
 */
final class Abilities {
  final String name;
  final Set<String> names = new HashSet<>();
  final Map<String, DataType> metadata = new LinkedHashMap<>();
  final boolean isBounded;
  /** Row kinds, or one of the words that README.md gives for sinks. */
  final List<String> changelog;
  final boolean keyOnlyDeletes;
  final boolean hasPrimaryKey;
  /** Columns that filters may be pushed for; null for all. */
  final Set<String> filterable;
  final List<Map<String, String>> partitions;

  private Abilities(
      Connectors.Connector connector,
      DynamicTableFactory.Context context,
      List<String> changelog,
      boolean isSource) {
    Map<String, String> table = context.getCatalogTable().getOptions();
    name = connector.name();
    names.addAll(connector.abilities());
    hasPrimaryKey = context.getPrimaryKeyIndexes().length > 0;
    isBounded =
        connector.isBounded()
            || (connector.boundedBy() != null && table.containsKey(connector.boundedBy()));
    for (Connectors.Metadata column : connector.metadata()) {
      if (isSource ? column.readable() : column.writable()) {
        metadata.put(column.key(), column.type());
      }
    }
    if (!name.equals("values")) {
      this.changelog = changelog;
      keyOnlyDeletes = false;
      filterable = null;
      partitions = List.of();
      return;
    }
    Configuration options = Configuration.fromMap(table);
    boolean isLookup = !options.get(flag("disable-lookup", false));
    partitions = partitions(table.getOrDefault("partition-list", ""));
    String[] fields = table.getOrDefault("filterable-fields", "").split(";");
    filterable = new HashSet<>(Arrays.asList(fields));
    declared(options, isSource ? "readable-metadata" : "writable-metadata");
    if (isSource) {
      this.changelog = kinds(table.getOrDefault("changelog-mode", "I"));
      keyOnlyDeletes = options.get(flag("source.produces-delete-by-key", false));
      names.addAll(List.of("filter", "limit", "metadata", "partition-pushdown"));
      if (options.get(flag("enable-projection-push-down", true))) {
        names.add("projection");
      }
      if (options.get(flag("nested-projection-supported", false))) {
        names.add("nested-projection");
      }
      if (isLookup) {
        names.add("lookup");
      } else if (options.get(flag("enable-watermark-push-down", false))) {
        names.addAll(List.of("watermark", "source-watermark"));
      }
    } else {
      names.addAll(List.of("metadata", "partition", "overwrite", "bucketing", "target-columns"));
      keyOnlyDeletes = options.get(flag("sink.supports-delete-by-key", false));
      String enforced = table.get("sink-changelog-mode-enforced");
      boolean isInsertOnly = options.get(flag("sink-insert-only", true));
      this.changelog =
          enforced != null
              ? kinds(enforced)
              : List.of(isInsertOnly ? "+I" : hasPrimaryKey ? "upsert" : "all");
    }
  }

  static Abilities ofSource(
      Connectors.Connector connector,
      Connectors.Format format,
      DynamicTableFactory.Context context) {
    boolean byFormat = format != null && !format.changelog().isEmpty();
    return new Abilities(
        connector, context, byFormat ? format.changelog() : connector.sourceChangelog(), true);
  }

  static Abilities ofSink(Connectors.Connector connector, DynamicTableFactory.Context context) {
    return new Abilities(connector, context, connector.sinkChangelog(), false);
  }

  boolean has(String ability) {
    return names.contains(ability);
  }

  /** The changelog of a source, or of a sink whose input may have the kinds of `requested`. */
  ChangelogMode mode(ChangelogMode requested) {
    ChangelogMode.Builder builder = ChangelogMode.newBuilder();
    String word = changelog.get(0);
    for (RowKind kind : RowKind.values()) {
      boolean contains =
          switch (word) {
            case "all" -> requested.contains(kind);
            case "all-but-update-before" ->
                requested.contains(kind) && kind != RowKind.UPDATE_BEFORE;
            case "upsert" -> kind != RowKind.UPDATE_BEFORE;
            default -> changelog.contains(kind.shortString());
          };
      if (contains) {
        builder.addContainedKind(kind);
      }
    }
    return builder.keyOnlyDeletes(keyOnlyDeletes).build();
  }

  /** A view of the object that has only the interfaces of the abilities that are there. */
  Object proxy(Object target, Class<?> always, Map<String, Class<?>> byAbility) {
    Set<Class<?>> interfaces = new LinkedHashSet<>();
    interfaces.add(always);
    byAbility.forEach(
        (ability, type) -> {
          if (has(ability)) {
            interfaces.add(type);
          }
        });
    return Proxy.newProxyInstance(
        Abilities.class.getClassLoader(),
        interfaces.toArray(new Class<?>[0]),
        (proxy, method, args) -> {
          try {
            return method.invoke(target, args);
          } catch (InvocationTargetException e) {
            throw e.getCause();
          }
        });
  }

  private static ConfigOption<Boolean> flag(String key, boolean byDefault) {
    return ConfigOptions.key(key).booleanType().defaultValue(byDefault);
  }

  private static List<String> kinds(String text) {
    Map<String, String> kinds = Map.of("I", "+I", "UB", "-U", "UA", "+U", "D", "-D");
    List<String> list = new ArrayList<>();
    for (String kind : text.split(",")) {
      if (!kinds.containsKey(kind.strip())) {
        throw new IllegalArgumentException("Invalid ChangelogMode string: " + text);
      }
      list.add(kinds.get(kind.strip()));
    }
    return list;
  }

  private void declared(Configuration options, String key) {
    ConfigOption<Map<String, String>> map = ConfigOptions.key(key).mapType().defaultValue(Map.of());
    new TreeMap<>(options.get(map))
        .forEach((column, type) -> metadata.put(column, Connectors.type(type)));
  }

  /** Partitions in the form 'a:1,b:2;a:3,b:4'. */
  private static List<Map<String, String>> partitions(String text) {
    List<Map<String, String>> partitions = new ArrayList<>();
    for (String part : text.split(";")) {
      Map<String, String> partition = new HashMap<>();
      for (String pair : part.split(",")) {
        String[] split = pair.split(":");
        if (split.length == 2) {
          partition.put(split[0].strip(), split[1].strip());
        }
      }
      if (!partition.isEmpty()) {
        partitions.add(partition);
      }
    }
    return partitions;
  }
}
