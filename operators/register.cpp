#include "operators/register.h"

#include "operators/calc.h"
#include "operators/constraint_enforcer.h"
#include "operators/drop_update_before.h"
#include "operators/group_aggregate.h"
#include "operators/local_window_aggregate.h"
#include "operators/upsert_materializer.h"
#include "operators/watermark_assigner.h"
#include "operators/window_aggregate.h"
#include "operators/window_table_function.h"

namespace millrace::operators {

void RegisterOperators(runtime::Registry& registry) {
  registry.AddOperator("calc", Calc::Make);
  registry.AddOperator("constraint-enforcer", ConstraintEnforcer::Make);
  registry.AddOperator("drop-update-before", DropUpdateBefore::Make);
  registry.AddOperator("global-window-aggregate", WindowAggregate::Make);
  registry.AddOperator("group-aggregate", GroupAggregate::Make);
  registry.AddOperator("local-window-aggregate", LocalWindowAggregate::Make);
  registry.AddOperator("sink-upsert-materializer", UpsertMaterializer::Make);
  registry.AddOperator("watermark-assigner", WatermarkAssigner::Make);
  registry.AddOperator("window-aggregate", WindowAggregate::Make);
  registry.AddOperator("window-table-function", WindowTableFunction::Make);
  registry.SetWatermarkFactory(SqlWatermarkGenerator::Make);
}

}  // namespace millrace::operators
