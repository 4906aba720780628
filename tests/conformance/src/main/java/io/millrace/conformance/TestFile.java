package io.millrace.conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A .test file: blocks apart by blank lines. Its form is that of tests/sql/README.md. */
final class TestFile {
  private static final String SEPARATOR = "----";
  private static final Pattern TABLE =
      Pattern.compile("table\\s+(\\w+)\\s*(\\(.*\\))\\s*(?:with\\s+(.*))?", Pattern.DOTALL);

  final Path path;
  final List<Block> blocks = new ArrayList<>();

  /** A block as it stands: lines before the separator, lines after it; null without separator. */
  static final class Block {
    final int line;
    final List<String> head = new ArrayList<>();
    List<String> rows;

    Block(int line) {
      this.line = line;
    }

    boolean isComment() {
      return head.stream().allMatch(text -> text.startsWith("#"));
    }

    /** The first line that is no comment. */
    String directive() {
      return head.stream().filter(text -> !text.startsWith("#")).findFirst().orElse("");
    }

    boolean isQuery() {
      return directive().matches("query\\b.*");
    }

    boolean isTable() {
      return directive().startsWith("table ");
    }

    /** What follows the directive of a query. */
    String sql() {
      List<String> lines = head.stream().filter(text -> !text.startsWith("#")).toList();
      return String.join("\n", lines.subList(1, lines.size())).strip().replaceFirst(";$", "");
    }

    /** Name, schema in parentheses and options (may be null) of a table. */
    Matcher table() {
      String text = String.join("\n", head.stream().filter(t -> !t.startsWith("#")).toList());
      Matcher matcher = TABLE.matcher(text);
      if (!matcher.matches()) {
        throw new IllegalArgumentException("line " + line + ": not a table: " + text);
      }
      return matcher;
    }
  }

  TestFile(Path path) throws IOException {
    this.path = path;
    Block block = null;
    int number = 0;
    for (String line : Files.readAllLines(path)) {
      number++;
      if (line.isBlank()) {
        block = null;
        continue;
      }
      if (block == null) {
        block = new Block(number);
        blocks.add(block);
      }
      if (block.rows != null) {
        block.rows.add(line);
      } else if (line.equals(SEPARATOR)) {
        block.rows = new ArrayList<>();
      } else {
        block.head.add(line.stripTrailing());
      }
    }
  }

  String text() {
    StringBuilder text = new StringBuilder();
    for (Block block : blocks) {
      text.append(text.isEmpty() ? "" : "\n");
      block.head.forEach(line -> text.append(line).append('\n'));
      if (block.rows != null) {
        text.append(SEPARATOR).append('\n');
        block.rows.forEach(line -> text.append(line).append('\n'));
      }
    }
    return text.toString();
  }
}
