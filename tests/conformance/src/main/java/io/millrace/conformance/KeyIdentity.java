package io.millrace.conformance;

import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.planner.plan.utils.KeySelectorUtil;
import org.apache.flink.table.runtime.keyselector.RowDataKeySelector;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/**
 * Writes the golden file of key identity: for each key type, the hash and the key groups that Flink
 * gives to 10,000 keys made by a formula.
 *
 * <p>Usage: {@code KeyIdentity key_identity.jsonl}. The key goes through the key selector that the
 * planner generates, so the bytes hashed are those of a running job. The formula and the file are
 * described in tests/data/README.md; both must change together.
 */
public final class KeyIdentity {
  private static final int KEYS = 10_000;
  private static final int EXPLICIT = 200;
  private static final int BLOCK = 100;
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final BigInteger TEN_19 = BigInteger.TEN.pow(19);

  /** The key types in the order of the file; the place of a line is its number in the formula. */
  private static final List<List<String>> TYPES =
      List.of(
          List.of("BOOLEAN"),
          List.of("TINYINT"),
          List.of("SMALLINT"),
          List.of("INT"),
          List.of("BIGINT"),
          List.of("FLOAT"),
          List.of("DOUBLE"),
          List.of("DECIMAL(9, 2)"),
          List.of("DECIMAL(18, 4)"),
          List.of("DECIMAL(19, 0)"),
          List.of("DECIMAL(38, 10)"),
          List.of("CHAR(20)"),
          List.of("VARCHAR(40)"),
          List.of("VARCHAR(2147483647)"),
          List.of("BINARY(8)"),
          List.of("VARBINARY(2147483647)"),
          List.of("DATE"),
          List.of("TIME(0)"),
          List.of("TIME(3)"),
          List.of("TIMESTAMP(0)"),
          List.of("TIMESTAMP(3)"),
          List.of("TIMESTAMP(6)"),
          List.of("TIMESTAMP(9)"),
          List.of("TIMESTAMP_LTZ(0)"),
          List.of("TIMESTAMP_LTZ(3)"),
          List.of("TIMESTAMP_LTZ(6)"),
          List.of("TIMESTAMP_LTZ(9)"),
          List.of("INTERVAL YEAR(2) TO MONTH"),
          List.of("INTERVAL DAY(2) TO SECOND(3)"),
          List.of("BIGINT", "VARCHAR(2147483647)"),
          List.of("VARCHAR(2147483647)", "VARCHAR(2147483647)", "INT"),
          List.of("BOOLEAN", "DECIMAL(38, 10)", "VARCHAR(2147483647)", "TIMESTAMP(9)", "DOUBLE"),
          List.of("TIMESTAMP(3)", "DECIMAL(18, 4)", "VARBINARY(2147483647)", "TIMESTAMP_LTZ(6)"),
          Collections.nCopies(60, "INT"));

  private KeyIdentity() {}

  // ---- The formula -------------------------------------------------------------------------

  /** Output of splitmix64 for state x. */
  static long mix(long x) {
    long z = x + 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /** Draws of one field of one key. */
  private record Draws(long base) {
    Draws(int type, int key, int field) {
      this(((long) type << 40) + ((long) key << 16) + 64L * field);
    }

    long get(int n) {
      return mix(base + n);
    }

    long below(int n, long bound) {
      return Long.remainderUnsigned(get(n), bound);
    }
  }

  private static final String[] ALPHABET = alphabet();

  private static String[] alphabet() {
    List<String> letters = new ArrayList<>();
    for (char c : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".toCharArray()) {
      letters.add(String.valueOf(c));
    }
    letters.addAll(List.of("\u00e9", "\u20ac", "\u65e5", "\ud83d\ude00"));
    return letters.toArray(new String[0]);
  }

  private static final List<String> STRING_EDGES =
      List.of("", " ", "a", "abcdefg", "abcdefgh", "\u00e9", "\u65e5\u672c\u8a9e", "0");
  private static final long[] MILLIS_EDGES = {
    0, -1, 1, 1000, -1000, 253402300799000L, -62135596800000L, 1356998400000L
  };

  /** Field value in Flink's internal form. */
  private static Object value(LogicalType type, Draws draws) {
    if (draws.below(63, 16) == 0) {
      return null;
    }
    boolean isEdge = draws.below(62, 4) == 0;
    int edge = (int) draws.below(61, 8);
    switch (type.getTypeRoot()) {
      case BOOLEAN:
        return (draws.get(0) & 1) == 1;
      case TINYINT:
        return (byte) integer(draws, isEdge, edge, 8);
      case SMALLINT:
        return (short) integer(draws, isEdge, edge, 16);
      case INTEGER:
      case INTERVAL_YEAR_MONTH:
        return (int) integer(draws, isEdge, edge, 32);
      case BIGINT:
      case INTERVAL_DAY_TIME:
        return integer(draws, isEdge, edge, 64);
      case FLOAT:
        {
          int[] edges = {
            0, 0x80000000, 0x7fc00000, 0x7f800000, 0xff800000, 0x3f800000, 1, 0x7f7fffff
          };
          return Float.intBitsToFloat(isEdge ? edges[edge] : (int) draws.get(0));
        }
      case DOUBLE:
        {
          long[] edges = {
            0,
            0x8000000000000000L,
            0x7ff8000000000000L,
            0x7ff0000000000000L,
            0xfff0000000000000L,
            0x3ff0000000000000L,
            1,
            0x7fefffffffffffffL
          };
          return Double.longBitsToDouble(isEdge ? edges[edge] : draws.get(0));
        }
      case DECIMAL:
        return decimal((DecimalType) type, draws, isEdge, edge);
      case CHAR:
        return StringData.fromString(letters(draws, LogicalTypeChecks.getLength(type)));
      case VARCHAR:
        return StringData.fromString(
            isEdge ? STRING_EDGES.get(edge) : letters(draws, (int) draws.below(0, 41)));
      case BINARY:
        return bytes(draws, LogicalTypeChecks.getLength(type));
      case VARBINARY:
        return bytes(draws, (int) draws.below(0, 41));
      case DATE:
        {
          int[] edges = {0, -1, 1, -719162, 2932896, 15706, 11016, -141427};
          return isEdge ? edges[edge] : (int) (draws.below(0, 3_000_000) - 800_000);
        }
      case TIME_WITHOUT_TIME_ZONE:
        {
          int millis = (int) draws.below(0, 86_400_000);
          return LogicalTypeChecks.getPrecision(type) == 0 ? millis / 1000 * 1000 : millis;
        }
      case TIMESTAMP_WITHOUT_TIME_ZONE:
      case TIMESTAMP_WITH_LOCAL_TIME_ZONE:
        return timestamp(LogicalTypeChecks.getPrecision(type), draws, isEdge, edge);
      default:
        throw new IllegalArgumentException(type.toString());
    }
  }

  private static long integer(Draws draws, boolean isEdge, int edge, int bits) {
    if (isEdge) {
      long max = Long.MAX_VALUE >>> (64 - bits);
      long[] edges = {0, 1, -1, max, -max - 1, 7, 100, -100};
      return edges[edge];
    }
    // The low bits as a signed number, half of the time shifted down so that small ones occur.
    long value = draws.get(0) << (64 - bits) >> (64 - bits);
    return (draws.get(1) & 1) == 0 ? value : value >> draws.below(2, bits);
  }

  private static DecimalData decimal(DecimalType type, Draws draws, boolean isEdge, int edge) {
    BigInteger bound = BigInteger.TEN.pow(type.getPrecision());
    BigInteger unscaled;
    if (isEdge) {
      BigInteger max = bound.subtract(BigInteger.ONE);
      unscaled =
          switch (edge) {
            case 0 -> BigInteger.ZERO;
            case 1 -> BigInteger.ONE;
            case 2 -> BigInteger.ONE.negate();
            case 3 -> max;
            case 4 -> max.negate();
            case 5 -> BigInteger.valueOf(127);
            case 6 -> BigInteger.valueOf(128);
            default -> BigInteger.valueOf(-128);
          };
    } else {
      BigInteger low = new BigInteger(Long.toUnsignedString(draws.get(1))).mod(TEN_19);
      if ((draws.get(3) & 1) == 1) {
        unscaled = low.mod(BigInteger.valueOf(1_000_000));
      } else {
        BigInteger high = new BigInteger(Long.toUnsignedString(draws.get(0))).mod(TEN_19);
        unscaled = high.multiply(TEN_19).add(low).mod(bound);
      }
      if ((draws.get(2) & 1) == 1) {
        unscaled = unscaled.negate();
      }
    }
    return DecimalData.fromBigDecimal(
        new BigDecimal(unscaled, type.getScale()), type.getPrecision(), type.getScale());
  }

  private static String letters(Draws draws, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append(ALPHABET[(int) draws.below(1 + i, ALPHABET.length)]);
    }
    return text.toString();
  }

  private static byte[] bytes(Draws draws, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) draws.get(1 + i);
    }
    return bytes;
  }

  private static TimestampData timestamp(int precision, Draws draws, boolean isEdge, int edge) {
    long millis =
        isEdge ? MILLIS_EDGES[edge] : draws.below(0, 400_000_000_000_000L) - 100_000_000_000_000L;
    int nanos = (int) draws.below(1, 1_000_000);
    if (precision == 0) {
      millis = Math.floorDiv(millis, 1000L) * 1000;
    }
    if (precision <= 3) {
      nanos = 0;
    } else if (precision <= 6) {
      nanos = nanos / 1000 * 1000;
    }
    return TimestampData.fromEpochMillis(millis, nanos);
  }

  // ---- The file ----------------------------------------------------------------------------

  private static JsonNode text(LogicalType type, Object value) {
    if (value == null) {
      return JSON.nullNode();
    }
    if (value instanceof Boolean flag) {
      return JSON.booleanNode(flag);
    }
    if (value instanceof Float number) {
      return JSON.textNode(String.format("%08x", Float.floatToRawIntBits(number)));
    }
    if (value instanceof Double number) {
      return JSON.textNode(String.format("%016x", Double.doubleToRawLongBits(number)));
    }
    if (value instanceof DecimalData decimal) {
      return JSON.textNode(decimal.toBigDecimal().unscaledValue().toString());
    }
    if (value instanceof byte[] bytes) {
      return JSON.textNode(HexFormat.of().formatHex(bytes));
    }
    if (value instanceof TimestampData time) {
      return JSON.arrayNode().add(time.getMillisecond()).add(time.getNanoOfMillisecond());
    }
    if (value instanceof StringData string) {
      return JSON.textNode(string.toString());
    }
    return JSON.numberNode(((Number) value).longValue());
  }

  /** FNV-1a of 64 bits, continued over the low `bytes` bytes of value, lowest first. */
  private static long fnv(long hash, int value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      hash = (hash ^ ((value >>> (8 * i)) & 0xff)) * 0x100000001b3L;
    }
    return hash;
  }

  private static JsonNode line(int number, List<String> names) throws Exception {
    LogicalType[] types =
        names.stream()
            .map(name -> LogicalTypeParser.parse(name, KeyIdentity.class.getClassLoader()))
            .toArray(LogicalType[]::new);
    int[] fields = new int[types.length];
    Arrays.setAll(fields, i -> i);
    RowDataKeySelector selector =
        KeySelectorUtil.getRowDataSelector(
            KeyIdentity.class.getClassLoader(), fields, InternalTypeInfo.of(RowType.of(types)));
    ObjectNode line = JSON.objectNode();
    line.put("number", number);
    ArrayNode typeNames = line.putArray("types");
    names.forEach(typeNames::add);
    ArrayNode first = line.putArray("first");
    ArrayNode digests = line.putArray("digests");
    long digest = 0;
    for (int i = 0; i < KEYS; i++) {
      GenericRowData row = new GenericRowData(types.length);
      for (int f = 0; f < types.length; f++) {
        row.setField(f, value(types[f], new Draws(number, i, f)));
      }
      RowData key = selector.getKey(row);
      int hash = key.hashCode();
      int of128 = KeyGroupRangeAssignment.assignToKeyGroup(key, 128);
      int of32768 = KeyGroupRangeAssignment.assignToKeyGroup(key, 32768);
      if (i < (types.length > 10 ? 20 : EXPLICIT)) {
        ArrayNode entry = first.addArray();
        ArrayNode values = JSON.arrayNode();
        for (int f = 0; f < types.length; f++) {
          values.add(text(types[f], row.getField(f)));
        }
        entry.add(values).add(hash).add(of128).add(of32768);
      }
      if (i % BLOCK == 0) {
        digest = 0xcbf29ce484222325L;
      }
      digest = fnv(fnv(fnv(digest, hash, 4), of128, 2), of32768, 2);
      if (i % BLOCK == BLOCK - 1) {
        digests.add(String.format("%016x", digest));
      }
    }
    return line;
  }

  public static void main(String[] args) throws Exception {
    Path out = Path.of(args[0]);
    try (PrintStream lines =
        new PrintStream(Files.newOutputStream(out), false, StandardCharsets.UTF_8)) {
      for (int i = 0; i < TYPES.size(); i++) {
        lines.print(line(i, TYPES.get(i)) + "\n");
      }
    }
  }
}
