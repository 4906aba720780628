package io.millrace.conformance;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Period;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.conversion.DataStructureConverter;
import org.apache.flink.table.data.conversion.DataStructureConverters;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MapType;
import org.apache.flink.table.types.logical.MultisetType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.TypeConversions;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;

/** Writes rows as JSON without loss, and reads them; the form is that of README.md, "Rows". */
final class JsonRows {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private JsonRows() {}

  /** Rows as Flink's test programs have them, through the converter that its sources use. */
  static ArrayNode rows(List<Row> rows, DataType type) {
    DataStructureConverter<Object, Object> converter = DataStructureConverters.getConverter(type);
    converter.open(JsonRows.class.getClassLoader());
    ArrayNode array = JSON.arrayNode();
    for (Row row : rows) {
      RowData data = (RowData) converter.toInternalOrNull(row);
      ObjectNode line = array.addObject();
      line.put("kind", row.getKind().shortString());
      line.set("row", row(data, (RowType) type.getLogicalType()));
    }
    return array;
  }

  /** A row from its JSON fields, in the classes that Flink's test sources take. */
  static Row parse(String kind, JsonNode fields, RowType type) {
    if (fields.size() != type.getFieldCount()) {
      throw new IllegalArgumentException(
          "a row has " + fields.size() + " fields, its table " + type.getFieldCount());
    }
    Row row = new Row(kind(kind), type.getFieldCount());
    for (int i = 0; i < type.getFieldCount(); i++) {
      row.setField(i, parse(fields.get(i), type.getTypeAt(i)));
    }
    return row;
  }

  private static RowKind kind(String text) {
    for (RowKind kind : RowKind.values()) {
      if (kind.shortString().equals(text)) {
        return kind;
      }
    }
    throw new IllegalArgumentException("not a row kind: " + text);
  }

  private static Object parse(JsonNode json, LogicalType type) {
    if (json.isNull()) {
      return null;
    }
    switch (type.getTypeRoot()) {
      case BOOLEAN:
        return json.asBoolean();
      case TINYINT:
        return (byte) json.asInt();
      case SMALLINT:
        return (short) json.asInt();
      case INTEGER:
        return json.asInt();
      case BIGINT:
        return json.asLong();
      case INTERVAL_YEAR_MONTH:
        return Period.ofMonths(json.asInt());
      case INTERVAL_DAY_TIME:
        return Duration.ofMillis(json.asLong());
      case FLOAT:
        return json.isTextual() ? Float.valueOf(json.asText()) : (Float) json.floatValue();
      case DOUBLE:
        return json.isTextual() ? Double.valueOf(json.asText()) : (Double) json.asDouble();
      case DECIMAL:
        return new BigDecimal(json.asText());
      case CHAR:
      case VARCHAR:
        return json.asText();
      case BINARY:
      case VARBINARY:
        return Base64.getDecoder().decode(json.asText());
      case DATE:
        return LocalDate.parse(json.asText());
      case TIME_WITHOUT_TIME_ZONE:
        return LocalTime.parse(json.asText());
      case TIMESTAMP_WITHOUT_TIME_ZONE:
        return LocalDateTime.parse(json.asText());
      case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
        return Instant.parse(json.asText());
      case ROW:
        return parse("+I", json, (RowType) type);
      case MAP:
        {
          Map<Object, Object> map = new LinkedHashMap<>();
          for (JsonNode pair : json) {
            map.put(
                parse(pair.get(0), ((MapType) type).getKeyType()),
                parse(pair.get(1), ((MapType) type).getValueType()));
          }
          return map;
        }
      case ARRAY:
        {
          LogicalType element = ((ArrayType) type).getElementType();
          Object array =
              Array.newInstance(
                  TypeConversions.fromLogicalToDataType(element).getConversionClass(),
                  json.size());
          for (int i = 0; i < json.size(); i++) {
            Array.set(array, i, parse(json.get(i), element));
          }
          return array;
        }
      default:
        throw new UnsupportedOperationException("rows of type " + type + " have no JSON form");
    }
  }

  private static ArrayNode row(RowData row, RowType type) {
    ArrayNode fields = JSON.arrayNode();
    for (int i = 0; i < type.getFieldCount(); i++) {
      LogicalType field = type.getTypeAt(i);
      fields.add(value(RowData.createFieldGetter(field, i).getFieldOrNull(row), field));
    }
    return fields;
  }

  private static JsonNode value(Object value, LogicalType type) {
    if (value == null) {
      return JSON.nullNode();
    }
    switch (type.getTypeRoot()) {
      case BOOLEAN:
        return JSON.booleanNode((Boolean) value);
      case TINYINT:
      case SMALLINT:
      case INTEGER:
      case BIGINT:
      case INTERVAL_YEAR_MONTH:
      case INTERVAL_DAY_TIME:
        return JSON.numberNode(((Number) value).longValue());
      case FLOAT:
      case DOUBLE:
        {
          double number = ((Number) value).doubleValue();
          return Double.isFinite(number)
              ? value instanceof Float narrow ? JSON.numberNode(narrow) : JSON.numberNode(number)
              : JSON.textNode(String.valueOf(number));
        }
      case DECIMAL:
      case CHAR:
      case VARCHAR:
        return JSON.textNode(value.toString());
      case BINARY:
      case VARBINARY:
        return JSON.binaryNode((byte[]) value);
      case DATE:
        return JSON.textNode(LocalDate.ofEpochDay((Integer) value).toString());
      case TIME_WITHOUT_TIME_ZONE:
        return JSON.textNode(
            LocalTime.ofNanoOfDay(Duration.ofMillis((Integer) value).toNanos()).toString());
      case TIMESTAMP_WITHOUT_TIME_ZONE:
        return JSON.textNode(((TimestampData) value).toLocalDateTime().toString());
      case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
        {
          Instant instant = ((TimestampData) value).toInstant();
          return JSON.textNode(instant.toString());
        }
      case ARRAY:
        return array((ArrayData) value, ((ArrayType) type).getElementType());
      case MAP:
        return map((MapData) value, ((MapType) type).getKeyType(), ((MapType) type).getValueType());
      case MULTISET:
        return map((MapData) value, ((MultisetType) type).getElementType(), new IntType());
      case ROW:
        return row((RowData) value, (RowType) type);
      default:
        throw new UnsupportedOperationException("rows of type " + type + " have no JSON form");
    }
  }

  private static ArrayNode array(ArrayData array, LogicalType type) {
    ArrayNode items = JSON.arrayNode();
    ArrayData.ElementGetter getter = ArrayData.createElementGetter(type);
    for (int i = 0; i < array.size(); i++) {
      items.add(value(getter.getElementOrNull(array, i), type));
    }
    return items;
  }

  private static ArrayNode map(MapData map, LogicalType keyType, LogicalType valueType) {
    List<JsonNode> keys = new ArrayList<>();
    array(map.keyArray(), keyType).forEach(keys::add);
    List<JsonNode> values = new ArrayList<>();
    array(map.valueArray(), valueType).forEach(values::add);
    ArrayNode pairs = JSON.arrayNode();
    for (int i = 0; i < keys.size(); i++) {
      pairs.addArray().add(keys.get(i)).add(values.get(i));
    }
    return pairs;
  }
}
