#pragma once

#include "runtime/types/vector.h"

namespace millrace::operators {

// TINYINT to DOUBLE, without DECIMAL. Their order in TypeKind is Java's order of promotion.
inline bool IsPrimitiveNumber(runtime::TypeKind kind) {
  return kind >= runtime::TypeKind::kTinyInt && kind <= runtime::TypeKind::kDouble;
}

// Decimal digits and scale that an integer type needs as a DECIMAL.
inline int DigitsOf(runtime::TypeKind kind) {
  switch (kind) {
    case runtime::TypeKind::kTinyInt:
      return 3;
    case runtime::TypeKind::kSmallInt:
      return 5;
    case runtime::TypeKind::kInt:
      return 10;
    default:
      return 19;
  }
}

// The value of a constant of an integer type.
inline int64_t ConstantInteger(const runtime::Vector& constant) {
  switch (constant.physical()) {
    case runtime::PhysicalType::kInt8:
      return constant.values<int8_t>()[0];
    case runtime::PhysicalType::kInt16:
      return constant.values<int16_t>()[0];
    case runtime::PhysicalType::kInt32:
      return constant.values<int32_t>()[0];
    default:
      return constant.values<int64_t>()[0];
  }
}

}  // namespace millrace::operators
