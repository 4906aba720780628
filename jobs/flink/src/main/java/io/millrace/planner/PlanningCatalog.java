package io.millrace.planner;

import java.util.Optional;
import org.apache.flink.table.catalog.GenericInMemoryCatalog;
import org.apache.flink.table.factories.Factory;

/** Flink's in-memory catalog, whose tables are made by {@link PlanningFactory}. */
final class PlanningCatalog extends GenericInMemoryCatalog {
  private final PlanningFactory factory;

  PlanningCatalog(String name, Connectors connectors) {
    super(name, "default_database");
    factory = new PlanningFactory(connectors);
  }

  @Override
  public Optional<Factory> getFactory() {
    return Optional.of(factory);
  }
}
