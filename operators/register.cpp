#include "operators/register.h"

#include "operators/calc.h"
#include "operators/drop_update_before.h"
#include "operators/watermark_assigner.h"

namespace millrace::operators {

void RegisterOperators(runtime::Registry& registry) {
  registry.AddOperator("calc", Calc::Make);
  registry.AddOperator("drop-update-before", DropUpdateBefore::Make);
  registry.AddOperator("watermark-assigner", WatermarkAssigner::Make);
  registry.SetWatermarkFactory(SqlWatermarkGenerator::Make);
}

}  // namespace millrace::operators
