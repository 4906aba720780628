package io.millrace.planner;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Turns Flink SQL into compiled plans: as a child process that answers requests, one JSON object a
 * line, or once from the command line. README.md has the forms.
 */
public final class Planner {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String USAGE =
      "usage: Planner [--connectors FILE]                      answer requests on stdin\n"
          + "       Planner [--connectors FILE] --compile SCRIPT [--out PLAN] [-D KEY=VALUE]...";

  private final Connectors connectors;
  private final Map<String, Session> sessions = new HashMap<>();

  private Planner(Connectors connectors) {
    this.connectors = connectors;
  }

  private ObjectNode answer(String line) {
    ObjectNode answer = JSON.createObjectNode();
    try {
      JsonNode request = JSON.readTree(line);
      answer.set("id", request.path("id").isMissingNode() ? null : request.get("id"));
      String name = request.path("session").asText(null);
      if (request.path("close").asBoolean()) {
        sessions.remove(name);
        return answer;
      }
      Map<String, String> options = new HashMap<>();
      request.path("options").fields()
          .forEachRemaining(option -> options.put(option.getKey(), option.getValue().asText()));
      Session session =
          name == null
              ? new Session(connectors, options)
              : sessions.computeIfAbsent(name, key -> new Session(connectors, options));
      Session.Outcome outcome = session.run(request.path("script").asText());
      ArrayNode plans = answer.putArray("plans");
      outcome.plans().forEach(plan -> plans.add(plan.toJson()));
      if (!outcome.results().isEmpty()) {
        answer.putArray("results").addAll(outcome.results());
      }
    } catch (Failure e) {
      ObjectNode error = answer.putObject("error");
      error.put("statement", e.statement);
      error.put("line", e.line);
      error.put("column", e.column);
      error.put("message", e.getMessage());
    } catch (IOException | RuntimeException e) {
      answer.putObject("error").put("message", "bad request: " + e.getMessage());
    }
    return answer;
  }

  private void serve(PrintStream out) throws IOException {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      if (!line.isBlank()) {
        out.print(answer(line) + "\n");
        out.flush();
      }
    }
  }

  private int compile(Path script, Path target, Map<String, String> options, PrintStream out)
      throws IOException {
    List<Session.Plan> plans;
    try {
      plans = new Session(connectors, options).run(Files.readString(script)).plans();
    } catch (Failure e) {
      System.err.printf("%s:%d:%d: %s%n", script, e.line, e.column, e.getMessage());
      return 1;
    }
    if (plans.isEmpty()) {
      System.err.printf("%s: no INSERT, statement set or SELECT to compile%n", script);
      return 1;
    }
    for (int i = 0; i < plans.size(); i++) {
      String text = plans.get(i).json().toPrettyString() + "\n";
      if (target == null) {
        out.print(text);
      } else {
        String name = target.getFileName().toString();
        int dot = name.lastIndexOf('.') < 0 ? name.length() : name.lastIndexOf('.');
        String numbered = name.substring(0, dot) + "-" + (i + 1) + name.substring(dot);
        Files.writeString(target.resolveSibling(plans.size() == 1 ? name : numbered), text);
      }
    }
    out.flush();
    return 0;
  }

  public static void main(String[] args) throws IOException {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err); // what libraries print must not get between the answers
    Connectors connectors = null;
    Path script = null;
    Path target = null;
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i < args.length; i++) {
      if (i + 1 == args.length) {
        System.err.println(USAGE);
        System.exit(2);
      }
      String value = args[++i];
      switch (args[i - 1]) {
        case "--connectors" -> connectors = Connectors.read(Path.of(value));
        case "--compile" -> script = Path.of(value);
        case "--out" -> target = Path.of(value);
        case "-D" -> {
          String[] pair = value.split("=", 2);
          options.put(pair[0], pair.length == 2 ? pair[1] : "");
        }
        default -> {
          System.err.println(USAGE);
          System.exit(2);
        }
      }
    }
    Planner planner = new Planner(connectors != null ? connectors : Connectors.builtIn());
    if (script != null) {
      System.exit(planner.compile(script, target, options, out));
    }
    planner.serve(out);
    System.exit(0);
  }
}
