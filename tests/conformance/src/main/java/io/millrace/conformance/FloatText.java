package io.millrace.conformance;

import java.io.PrintStream;
import java.util.SplittableRandom;

/**
 * Writes the texts of floating numbers as Java has them.
 *
 * <p>Usage: {@code FloatText float_text.txt [COUNT]}. A line is "d" or "f", the raw bits in hexadecimal
 * and the text. Numbers are edges, powers of two and ten with their neighbours, short decimals, and
 * random bits: COUNT (default 2000) of each type in all.
 */
public final class FloatText {
  public static void main(String[] arguments) throws Exception {
    int count = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 2000;
    SplittableRandom random = new SplittableRandom(17);
    try (PrintStream out = new PrintStream(arguments[0], "US-ASCII")) {
      for (int i = 0; i < count; i++) {
        double value = number(random, i, true);
        out.print("d " + Long.toHexString(Double.doubleToRawLongBits(value)) + " " + value + "\n");
      }
      for (int i = 0; i < count; i++) {
        float value = (float) number(random, i, false);
        out.print("f " + Integer.toHexString(Float.floatToRawIntBits(value)) + " " + value + "\n");
      }
    }
  }

  private static double number(SplittableRandom random, int i, boolean wide) {
    int most = wide ? 1074 : 149;
    double[] edges = {
      0.0, -0.0, 1.0, Double.MIN_VALUE, Double.MAX_VALUE, Double.MIN_NORMAL, Float.MIN_VALUE, Float.MAX_VALUE,
      Float.MIN_NORMAL, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e7, 9999999.999, 1e-3,
      9.999e-4, 2e-3, 2.2250738585072014E-308, 1.0E23, 2.0E-3, 8.41E21, 2.0E22, 5.0E-324, 9.223372036854776E18
    };
    if (i < edges.length) return edges[i];
    switch (i % 6) {
      case 0:
        return Math.scalb(1.0, random.nextInt(-most, most));
      case 1:
        return Math.nextAfter(Math.pow(10, random.nextInt(wide ? -300 : -37, wide ? 300 : 37)), random.nextInt(3) - 1);
      case 2:
        return random.nextInt(1_000_000) / Math.pow(10, random.nextInt(0, 9));
      case 3:
        return (double) random.nextLong() / (1L << random.nextInt(0, 40));
      case 4:
        return random.nextDouble() * Math.pow(10, random.nextInt(-6, 12));
      default:
        return wide
            ? Double.longBitsToDouble(random.nextLong())
            : Float.intBitsToFloat(random.nextInt());
    }
  }
}
