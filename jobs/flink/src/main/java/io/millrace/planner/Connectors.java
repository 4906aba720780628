package io.millrace.planner;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.utils.TypeConversions;

/** The connectors and formats that the runtime has, read from JSON (form: README.md). */
public final class Connectors {
  private final Map<String, Connector> connectors = new LinkedHashMap<>();
  private final Map<String, Format> formats = new LinkedHashMap<>();

  /** An option; `key` may end in '.' (a map of any keys behind it) or hold '#' (a column). */
  record Option(
      String key, String type, boolean required, Set<String> choices, List<String> deprecated) {

    boolean isPrefix() {
      return key.endsWith(".");
    }

    /** The option under a longer key, as a format's has it in a table. */
    Option under(String prefix) {
      return new Option(prefix + key, type, required, choices, deprecated);
    }

    ConfigOption<?> configOption() {
      ConfigOptions.OptionBuilder builder = ConfigOptions.key(key);
      ConfigOption<?> option =
          switch (type) {
            case "int", "integer" -> builder.intType().noDefaultValue();
            case "long", "bigint" -> builder.longType().noDefaultValue();
            case "bool", "boolean" -> builder.booleanType().noDefaultValue();
            case "float", "double" -> builder.doubleType().noDefaultValue();
            case "duration" -> builder.durationType().noDefaultValue();
            case "memory", "bytes", "size" -> builder.memoryType().noDefaultValue();
            case "string", "enum", "list" -> builder.stringType().noDefaultValue();
            default ->
                throw new IllegalArgumentException(
                    "option " + key + " has the unknown type " + type);
          };
      return deprecated.isEmpty()
          ? option
          : option.withDeprecatedKeys(deprecated.toArray(new String[0]));
    }
  }

  record Metadata(String key, DataType type, boolean readable, boolean writable) {}

  record Connector(
      String name,
      boolean isSource,
      boolean isSink,
      List<String> sourceChangelog,
      List<String> sinkChangelog,
      Set<String> abilities,
      List<Metadata> metadata,
      List<String> formatKeys,
      List<Option> options,
      boolean isBounded,
      String boundedBy) {}

  record Format(String name, List<String> changelog, List<Option> options) {}

  private Connectors() {}

  /** Reads the description of all connectors from a file. */
  public static Connectors read(Path file) throws IOException {
    return parse(new ObjectMapper().readTree(Files.readString(file)));
  }

  /** The description that comes with this program. */
  public static Connectors builtIn() throws IOException {
    try (InputStream stream = Connectors.class.getResourceAsStream("connectors.json")) {
      return parse(new ObjectMapper().readTree(stream));
    }
  }

  Connector connector(String name) {
    return connectors.get(name);
  }

  Set<String> connectorNames() {
    return new TreeSet<>(connectors.keySet());
  }

  Format format(String name) {
    return formats.get(name);
  }

  Set<String> formatNames() {
    return new TreeSet<>(formats.keySet());
  }

  private static Connectors parse(JsonNode root) {
    Connectors all = new Connectors();
    for (JsonNode node : root.path("connectors")) {
      Connector connector = connector(node);
      all.connectors.put(connector.name(), connector);
    }
    for (JsonNode node : root.path("formats")) {
      String name = node.required("name").asText();
      all.formats.put(
          name, new Format(name, words(node.path("changelog")), options(node.path("options"))));
    }
    return all;
  }

  private static Connector connector(JsonNode node) {
    List<Metadata> metadata = new ArrayList<>();
    for (JsonNode column : node.path("metadata")) {
      metadata.add(
          new Metadata(
              column.required("key").asText(),
              type(column.required("type").asText()),
              column.path("readable").asBoolean(true),
              column.path("writable").asBoolean(false)));
    }
    JsonNode formats = node.path("formats");
    List<String> formatKeys =
        formats.isArray() ? words(formats) : formats.asBoolean() ? List.of("format") : List.of();
    List<String> sourceChangelog = words(node.path("sourceChangelog"));
    List<String> sinkChangelog = words(node.path("sinkChangelog"));
    return new Connector(
        node.required("name").asText(),
        node.path("source").asBoolean(),
        node.path("sink").asBoolean(),
        sourceChangelog.isEmpty() ? List.of("+I") : sourceChangelog,
        sinkChangelog.isEmpty() ? List.of("+I") : sinkChangelog,
        Set.copyOf(words(node.path("abilities"))),
        metadata,
        formatKeys,
        options(node.path("options")),
        node.path("bounded").asBoolean(),
        node.path("boundedBy").asText(null));
  }

  static DataType type(String sql) {
    return TypeConversions.fromLogicalToDataType(
        LogicalTypeParser.parse(sql, Connectors.class.getClassLoader()));
  }

  private static List<String> words(JsonNode node) {
    List<String> words = new ArrayList<>();
    if (node.isTextual()) {
      words.add(node.asText());
    }
    for (JsonNode item : node) {
      words.add(item.asText());
    }
    return words;
  }

  private static List<Option> options(JsonNode nodes) {
    List<Option> options = new ArrayList<>();
    for (JsonNode node : nodes) {
      String key = node.required("name").asText();
      Set<String> choices = new TreeSet<>();
      for (String choice : node.path("choices").asText("").split(",")) {
        if (!choice.isBlank()) {
          choices.add(choice.strip());
        }
      }
      String type = node.path("type").asText("string").toLowerCase(Locale.ROOT);
      if (type.equals("map") && !key.endsWith(".")) {
        key += ".";
      }
      List<String> deprecated = words(node.path("deprecated"));
      options.add(new Option(key, type, node.path("required").asBoolean(), choices, deprecated));
    }
    return options;
  }
}
