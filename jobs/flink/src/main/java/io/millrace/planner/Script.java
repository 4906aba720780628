package io.millrace.planner;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a SQL script into statements and remembers where each begins. */
public final class Script {
  private static final int FLAGS = Pattern.CASE_INSENSITIVE | Pattern.DOTALL;
  private static final Pattern BLOCK =
      Pattern.compile(
          "(?:COMPILE\\s+PLAN\\b.*?\\bFOR\\s+|COMPILE\\s+AND\\s+EXECUTE\\s+PLAN\\b.*?\\bFOR\\s+"
              + "|EXPLAIN\\b.*?|EXECUTE\\s+)?STATEMENT\\s+SET\\s+BEGIN\\b.*",
          FLAGS);
  private static final Pattern TEMPORARY =
      Pattern.compile(
          "\\A(?:CREATE|CREATE\\s+OR\\s+REPLACE|DROP|ALTER)\\s+(TEMPORARY)\\s+(?:TABLE|VIEW)\\b",
          FLAGS);

  private Script() {}

  /** A statement without its semicolon; line and column count from 1. */
  public record Statement(String text, int line, int column) {

    /**
     * The text moved to its place in the script, so that a position in a message of Flink's is one
     * of the script. TEMPORARY of tables and views is blanked out: a plan holds only the name of a
     * temporary table.
     */
    String placed() {
      String body = text;
      Matcher temporary = TEMPORARY.matcher(body);
      if (temporary.find()) {
        body =
            body.substring(0, temporary.start(1))
                + " ".repeat(temporary.end(1) - temporary.start(1))
                + body.substring(temporary.end(1));
      }
      return "\n".repeat(line - 1) + " ".repeat(column - 1) + body;
    }

    String firstLine() {
      return text.lines().findFirst().orElse("").strip();
    }
  }

  /** Splits at each ';' outside of quotes and comments; a statement set stays one statement. */
  public static List<Statement> split(String script) {
    List<Statement> statements = new ArrayList<>();
    int start = -1; // of the current statement; comments before it are skipped
    boolean inBlock = false;
    int part = -1; // start of the current part of a statement set
    for (int i = 0; i <= script.length(); i++) {
      if (i == script.length() || script.charAt(i) == ';') {
        if (start < 0) {
          continue;
        }
        String text = script.substring(start, i).strip();
        if (inBlock && i < script.length()) {
          String last = part < 0 ? "" : script.substring(part, i).strip();
          if (!last.equalsIgnoreCase("END")) {
            part = -1;
            continue;
          }
        } else if (!inBlock && i < script.length() && BLOCK.matcher(text).matches()) {
          inBlock = true;
          part = -1;
          continue;
        }
        statements.add(at(script, start, text));
        start = -1;
        part = -1;
        inBlock = false;
        continue;
      }
      int end = skipped(script, i);
      boolean isComment = end > i && (script.charAt(i) == '-' || script.charAt(i) == '/');
      if (!isComment && !Character.isWhitespace(script.charAt(i))) {
        start = start < 0 ? i : start;
        part = part < 0 ? i : part;
      }
      i = Math.max(i, end - 1);
    }
    return statements;
  }

  /** The end of the quoted text or comment that begins at i, or i. */
  private static int skipped(String script, int i) {
    char c = script.charAt(i);
    if (c == '\'' || c == '`' || c == '"') {
      int end = script.indexOf(c, i + 1);
      return end < 0 ? script.length() : end + 1;
    }
    if (script.startsWith("--", i)) {
      int end = script.indexOf('\n', i);
      return end < 0 ? script.length() : end;
    }
    if (script.startsWith("/*", i) && !script.startsWith("/*+", i)) {
      int end = script.indexOf("*/", i);
      return end < 0 ? script.length() : end + 2;
    }
    return i;
  }

  private static Statement at(String script, int start, String text) {
    int line = 1;
    int lineStart = 0;
    for (int i = 0; i < start; i++) {
      if (script.charAt(i) == '\n') {
        line++;
        lineStart = i + 1;
      }
    }
    return new Statement(text, line, start - lineStart + 1);
  }
}
