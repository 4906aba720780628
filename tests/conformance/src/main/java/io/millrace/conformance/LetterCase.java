package io.millrace.conformance;

import java.io.PrintStream;
import java.util.Locale;

/**
 * Writes the golden file of upper and lower case: for each code point that Java changes, and for some
 * words, what String.toUpperCase and toLowerCase give.
 *
 * <p>Usage: {@code LetterCase letter_case.txt}. A line is the text, its upper case and its lower case,
 * each as code points in hexadecimal with blanks between, and semicolons between the three. Code points
 * without a line are not changed.
 */
public final class LetterCase {
  private static final String[] WORDS = {
    "Straße", "ΟΔΥΣΣΕΥΣ", "ΣΑΣ ΣΑΣ", "Σ", "ΑΣ", "ΑΣΑ", "ΑΣ.", "ΑΣ, Σ", "İstanbul", "ıI", "ŉa", "ﬃ", "ǆǅǄ", "Ω", "ẞß",
    "ՙևև", "日本é", "😀Éa", "𐐀𐐨", "ᾳᾼ", "ΐΰ", "K", "Å"
  };

  public static void main(String[] arguments) throws Exception {
    try (PrintStream out = new PrintStream(arguments[0], "US-ASCII")) {
      for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
        if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) continue;
        String text = new String(Character.toChars(c));
        if (!upper(text).equals(text) || !lower(text).equals(text)) write(out, text);
      }
      for (String word : WORDS) write(out, word);
    }
  }

  private static void write(PrintStream out, String text) {
    out.print(hex(text) + ";" + hex(upper(text)) + ";" + hex(lower(text)) + "\n");
  }

  private static String upper(String text) {
    return text.toUpperCase(Locale.ROOT);
  }

  private static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  private static String hex(String text) {
    StringBuilder hex = new StringBuilder();
    text.codePoints().forEach(c -> hex.append(hex.length() == 0 ? "" : " ").append(Integer.toHexString(c)));
    return hex.toString();
  }
}
