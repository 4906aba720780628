package io.millrace.planner;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Says what is wrong with a statement, where in the script, in Flink's own words. */
final class Failure extends Exception {
  private static final long serialVersionUID = 1L;
  private static final Pattern POSITION =
      Pattern.compile("(?:[Ff]rom|at) line (\\d+), column (\\d+)");
  private static final int EXPECTED_SHOWN = 12;

  final String statement;
  final int line;
  final int column;

  private Failure(String message, Throwable cause, String statement, int line, int column) {
    super(message, cause);
    this.statement = statement;
    this.line = line;
    this.column = column;
  }

  static Failure of(Script.Statement statement, Throwable cause) {
    int line = statement.line();
    int column = statement.column();
    for (Throwable error = cause; error != null; error = error.getCause()) {
      Matcher position = POSITION.matcher(String.valueOf(error.getMessage()));
      if (position.find()) {
        line = Integer.parseInt(position.group(1));
        column = Integer.parseInt(position.group(2));
      }
    }
    return new Failure(words(cause), cause, statement.firstLine(), line, column);
  }

  /** The messages of the causes, outermost first, less those that only repeat an inner one. */
  private static String words(Throwable cause) {
    List<String> messages = new ArrayList<>();
    for (Throwable error = cause; error != null; error = error.getCause()) {
      String message = error.getMessage();
      if (message == null) {
        message = error.getCause() == null ? error.getClass().getSimpleName() : "";
      }
      int options = message.indexOf("\n\nTable options are:");
      message = options < 0 ? message : message.substring(0, options);
      String inner = message;
      messages.removeIf(outer -> outer.contains(inner));
      if (!message.isBlank()) {
        messages.add(message.strip());
      }
    }
    return shorter(String.join("\n", messages));
  }

  /** A parse error lists every token that could follow; the first few are enough. */
  private static String shorter(String message) {
    int list = message.indexOf("Was expecting one of:");
    if (list < 0) {
      return message;
    }
    List<String> expected =
        message.substring(list).lines().skip(1).map(String::strip).filter(s -> !s.isEmpty())
            .distinct().toList();
    String shown = String.join(" ", expected.subList(0, Math.min(EXPECTED_SHOWN, expected.size())));
    String rest = expected.size() > EXPECTED_SHOWN ? " ..." : "";
    return message.substring(0, list).strip() + "\nWas expecting one of: " + shown + rest;
  }
}
