package io.millrace.planner;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/** Numbers the nodes of a compiled plan from 1. */
public final class PlanNumbers {
  private static final ObjectMapper JSON = new ObjectMapper();

  private PlanNumbers() {}

  /**
   * The plan with its nodes numbered from 1 in their order. Flink numbers the nodes of all plans of
   * a JVM with one counter; without it, the same SQL gives the same plan.
   */
  public static JsonNode renumber(String json) throws JsonProcessingException {
    JsonNode plan = JSON.readTree(json);
    Map<Integer, Integer> numbers = new HashMap<>();
    for (JsonNode node : plan.required("nodes")) {
      numbers.put(node.required("id").intValue(), numbers.size() + 1);
      ((ObjectNode) node).put("id", numbers.size());
    }
    for (JsonNode edge : plan.required("edges")) {
      ObjectNode ends = (ObjectNode) edge;
      ends.put("source", numbers.get(edge.required("source").intValue()));
      ends.put("target", numbers.get(edge.required("target").intValue()));
    }
    return plan;
  }
}
