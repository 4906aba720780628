#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "operators/expression/kernel.h"
#include "runtime/types/text/civil_time.h"
#include "runtime/types/value_types.h"

// A scalar function is a struct with
//   void call(R& result, A... arguments)      never NULL, never fails
//   bool call(...)                            false: the result is NULL
//   Outcome call(...)                         kError: the job fails with what explain(arguments...)
//   says
// and optionally
//   Status prepare(const CallShape& call)     once: constants, precisions, patterns
//   void begin(const EvaluationContext&)      once a batch
//   static constexpr bool kCostly = false     computed for all rows rather than the asked ones
//   static constexpr bool kPerBatch = true    depends on the batch's context (CURRENT_TIMESTAMP)
//   static constexpr bool kDeterministic = false
// Its row in a table is {"NAME", "(STRING) -> STRING", BindScalar<Struct>}. BindScalar loops over
// rows, handles NULLs (an argument taken as std::optional sees them itself), constants and
// dictionaries, and casts narrower numbers to what `call` takes.

namespace millrace::operators {

enum class Outcome : uint8_t { kValue, kNull, kError };

// Argument and result types besides bool, int8_t .. int64_t, float, double, TimestampNanos
// (TIMESTAMP and TIMESTAMP_LTZ of any precision) and std::string_view (CHAR, VARCHAR).
struct Binary {
  std::string_view bytes;
};
struct Date {
  int32_t days;
};
struct TimeOfDay {
  int32_t ms;
};
struct Months {
  int32_t months;
};
struct Milliseconds {
  int64_t ms;
};
struct Decimal {
  runtime::Int128 unscaled;  // scale: of the operand's or the call's type
};

// Takes a string result without an allocation a row.
class StringResult {
 public:
  explicit StringResult(runtime::MemoryPool& pool) : pool_(pool) {}

  // Copies the text.
  void Assign(std::string_view text) {
    if (text.size() <= runtime::StringRef::kInlineBytes) {
      ref_ = runtime::StringRef(text);
      return;
    }
    char* bytes = Room(text.size());
    std::memcpy(bytes, text.data(), text.size());
    ref_ = runtime::StringRef(bytes, static_cast<uint32_t>(text.size()));
  }
  // Refers to a part of an argument, whose bytes are kept.
  void Refer(std::string_view part) {
    ref_ = runtime::StringRef(part);
    refers_ |= part.size() > runtime::StringRef::kInlineBytes;
  }
  // Gives an empty string to write to; what it holds when `call` returns is the result.
  std::string& Writer() {
    writes_ = true;
    scratch_.clear();
    return scratch_;
  }

 private:
  template <typename F, typename R, typename... A>
  friend class ScalarKernel;

  char* Room(size_t bytes) {
    if (bytes > left_) {
      const size_t chunk = std::max<size_t>(bytes, chunks_.empty() ? 4096 : 64 * 1024);
      chunks_.push_back(pool_.Allocate(chunk));
      next_ = chunks_.back()->data();
      left_ = chunks_.back()->capacity();
    }
    char* at = next_;
    next_ += bytes;
    left_ -= bytes;
    return at;
  }
  runtime::StringRef Take() {
    if (writes_) {
      writes_ = false;
      Assign(scratch_);
    }
    return ref_;
  }

  runtime::MemoryPool& pool_;
  runtime::StringRef ref_;
  bool refers_ = false;
  bool writes_ = false;
  std::string scratch_;
  std::vector<runtime::BufferPtr> chunks_;
  char* next_ = nullptr;
  size_t left_ = 0;
};

// ---- What follows is the framework. ----

namespace scalar {

using runtime::LogicalType;
using runtime::TypeKind;

template <typename A>
struct Unwrap {
  using type = std::remove_cvref_t<A>;
  static constexpr bool kOptional = false;
};
template <typename A>
struct Unwrap<std::optional<A>> {
  using type = A;
  static constexpr bool kOptional = true;
};

// Whether an operand of this type can be an A, and the type that it is cast to first (kNull: none).
template <typename A>
bool Accepts(const LogicalType& type, LogicalType* cast_to) {
  const TypeKind kind = type.kind();
  *cast_to = LogicalType();
  const auto number = [&](TypeKind exact, bool fits) {
    if (kind == exact) return true;
    if (fits) *cast_to = LogicalType(exact, type.nullable());
    return fits;
  };
  if constexpr (std::is_same_v<A, bool>) {
    return kind == TypeKind::kBoolean;
  } else if constexpr (std::is_same_v<A, int8_t>) {
    return kind == TypeKind::kTinyInt;
  } else if constexpr (std::is_same_v<A, int16_t>) {
    return kind == TypeKind::kSmallInt;
  } else if constexpr (std::is_same_v<A, int32_t>) {
    return number(TypeKind::kInt, type.is_integer() && kind < TypeKind::kInt);
  } else if constexpr (std::is_same_v<A, int64_t>) {
    return number(TypeKind::kBigInt, type.is_integer());
  } else if constexpr (std::is_same_v<A, float>) {
    return kind == TypeKind::kFloat;
  } else if constexpr (std::is_same_v<A, double>) {
    return number(TypeKind::kDouble, type.is_numeric());
  } else if constexpr (std::is_same_v<A, std::string_view>) {
    return type.is_string();
  } else if constexpr (std::is_same_v<A, Binary>) {
    return type.is_binary();
  } else if constexpr (std::is_same_v<A, Date>) {
    return kind == TypeKind::kDate;
  } else if constexpr (std::is_same_v<A, TimeOfDay>) {
    return kind == TypeKind::kTime;
  } else if constexpr (std::is_same_v<A, runtime::TimestampNanos>) {
    return type.is_timestamp();
  } else if constexpr (std::is_same_v<A, Months>) {
    return kind == TypeKind::kIntervalYearMonth;
  } else if constexpr (std::is_same_v<A, Milliseconds>) {
    return kind == TypeKind::kIntervalDayTime;
  } else if constexpr (std::is_same_v<A, Decimal>) {
    return kind == TypeKind::kDecimal;
  } else {
    static_assert(!sizeof(A), "not an argument type");
  }
}

// Reads an A at any row of a vector.
template <typename A>
class Reader {
 public:
  Reader(const runtime::Vector& vector, const LogicalType& type) : vector_(&vector) {
    if constexpr (std::is_same_v<A, runtime::TimestampNanos>) {
      layout_ = type.precision() <= 3 ? 0 : type.precision() <= 6 ? 1 : 2;
    } else if constexpr (std::is_same_v<A, Decimal>) {
      layout_ = vector.physical() == runtime::PhysicalType::kInt128 ? 1 : 0;
    }
  }
  bool IsNull(int32_t row) const { return vector_->IsNull(row); }
  A Read(int32_t row) const {
    const int32_t at = vector_->PositionOf(row);
    if constexpr (std::is_same_v<A, bool>) {
      return vector_->values<uint8_t>()[at] != 0;
    } else if constexpr (std::is_arithmetic_v<A>) {
      return vector_->values<A>()[at];
    } else if constexpr (std::is_same_v<A, std::string_view>) {
      return vector_->values<runtime::StringRef>()[at].view();
    } else if constexpr (std::is_same_v<A, Binary>) {
      return {vector_->values<runtime::StringRef>()[at].view()};
    } else if constexpr (std::is_same_v<A, runtime::TimestampNanos>) {
      if (layout_ == 0) return {vector_->values<int64_t>()[at], 0};
      if (layout_ == 1) return runtime::TimestampFromMicros(vector_->values<int64_t>()[at]);
      return vector_->values<runtime::TimestampNanos>()[at];
    } else if constexpr (std::is_same_v<A, Decimal>) {
      return {layout_ == 1 ? vector_->values<runtime::Int128>()[at]
                           : runtime::Int128{vector_->values<int64_t>()[at]}};
    } else if constexpr (std::is_same_v<A, Milliseconds>) {
      return {vector_->values<int64_t>()[at]};
    } else {
      return {vector_->values<int32_t>()[at]};
    }
  }

 private:
  const runtime::Vector* vector_;
  int layout_ = 0;
};

template <typename A>
auto ReadArgument(const Reader<typename Unwrap<A>::type>& reader, int32_t row) {
  if constexpr (Unwrap<A>::kOptional) {
    return reader.IsNull(row) ? A() : A(reader.Read(row));
  } else {
    return reader.Read(row);
  }
}

// The type whose vectors hold an R; kNull: the type of the call itself.
template <typename R>
LogicalType ResultType(const LogicalType& call) {
  const auto unless = [&](TypeKind kind) {
    return call.kind() == kind ? LogicalType() : LogicalType(kind);
  };
  if constexpr (std::is_same_v<R, bool>) return unless(TypeKind::kBoolean);
  if constexpr (std::is_same_v<R, int8_t>) return unless(TypeKind::kTinyInt);
  if constexpr (std::is_same_v<R, int16_t>) return unless(TypeKind::kSmallInt);
  if constexpr (std::is_same_v<R, int32_t>) return unless(TypeKind::kInt);
  if constexpr (std::is_same_v<R, int64_t>) return unless(TypeKind::kBigInt);
  if constexpr (std::is_same_v<R, float>) return unless(TypeKind::kFloat);
  if constexpr (std::is_same_v<R, double>) return unless(TypeKind::kDouble);
  if constexpr (std::is_same_v<R, StringResult>) {
    return call.is_string() || call.is_binary() ? LogicalType() : LogicalType::VarChar();
  }
  if constexpr (std::is_same_v<R, Date>) return unless(TypeKind::kDate);
  if constexpr (std::is_same_v<R, TimeOfDay>) return unless(TypeKind::kTime);
  if constexpr (std::is_same_v<R, Months>) return unless(TypeKind::kIntervalYearMonth);
  if constexpr (std::is_same_v<R, Milliseconds>) return unless(TypeKind::kIntervalDayTime);
  return LogicalType();
}

// Slots of a result vector.
template <typename R>
struct Stored {
  using type = R;
};
template <>
struct Stored<bool> {
  using type = uint8_t;
};
template <>
struct Stored<StringResult> {
  using type = runtime::StringRef;
};

}  // namespace scalar

template <typename F, typename R, typename... A>
class ScalarKernel : public Kernel {
 public:
  ScalarKernel(F function, runtime::LogicalType type, std::vector<runtime::LogicalType> operands)
      : function_(std::move(function)), type_(std::move(type)), operands_(std::move(operands)) {}

  bool accepts_dictionary() const override { return true; }

  runtime::Result<runtime::VectorPtr> Evaluate(
      const EvaluationContext& context, const RowSet& rows,
      std::span<const runtime::VectorPtr> arguments) override {
    return Run(context, rows, arguments, std::index_sequence_for<A...>());
  }

 private:
  template <size_t... I>
  runtime::Result<runtime::VectorPtr> Run(const EvaluationContext& context, const RowSet& rows,
                                          std::span<const runtime::VectorPtr> arguments,
                                          std::index_sequence<I...>) {
    if constexpr (requires { function_.begin(context); }) function_.begin(context);
    constexpr bool kStrict = !(false || ... || scalar::Unwrap<A>::kOptional);
    runtime::BufferPtr validity;
    if constexpr (kStrict) validity = CombineValidity(*context.pool, arguments, rows.length);
    auto vector =
        std::make_shared<runtime::Vector>(type_.physical(), runtime::Encoding::kFlat, rows.length);
    runtime::BufferPtr values =
        runtime::AllocateValues(*context.pool, type_.physical(), rows.length);
    // Rows that are skipped must hold valid values too.
    std::memset(values->data(), 0,
                runtime::WidthOf(type_.physical()) * static_cast<size_t>(rows.length));
    vector->SetValues(std::move(values));
    std::tuple<scalar::Reader<typename scalar::Unwrap<A>::type>...> readers(
        scalar::Reader<typename scalar::Unwrap<A>::type>(*arguments[I], operands_[I])...);
    StringResult text(*context.pool);
    runtime::BufferPtr own_validity;
    uint64_t* own_words = nullptr;
    int32_t failed_row = -1;
    const uint64_t* words = validity ? Words(validity) : nullptr;
    ForEachRow(rows, words, [&](int32_t row) {
      Outcome outcome = Outcome::kValue;
      if constexpr (std::is_same_v<R, StringResult>) {
        outcome = Call(text, scalar::ReadArgument<A>(std::get<I>(readers), row)...);
        if (outcome == Outcome::kValue) {
          MutableValues<runtime::StringRef>(*vector)[row] = text.Take();
        } else {
          text.writes_ = false;
        }
      } else {
        R result{};
        outcome = Call(result, scalar::ReadArgument<A>(std::get<I>(readers), row)...);
        if (outcome == Outcome::kValue) Store(*vector, row, result);
      }
      if (outcome == Outcome::kValue) return;
      if (outcome == Outcome::kError && failed_row < 0) failed_row = row;
      if (own_words == nullptr) {
        own_validity = AllValid(*context.pool, rows.length);
        own_words = Words(own_validity);
        if (words != nullptr) {
          std::memcpy(own_words, words, static_cast<size_t>(runtime::WordsFor(rows.length)) * 8);
        }
      }
      ClearBit(own_words, row);
    });
    if constexpr (requires {
                    function_.explain(scalar::ReadArgument<A>(std::get<I>(readers), 0)...);
                  }) {
      if (failed_row >= 0) {
        return runtime::Status::User(
            function_.explain(scalar::ReadArgument<A>(std::get<I>(readers), failed_row)...));
      }
    }
    if (own_words != nullptr) {
      vector->SetValidity(std::move(own_validity));
    } else if (validity) {
      vector->SetValidity(std::move(validity));
    }
    for (runtime::BufferPtr& chunk : text.chunks_) vector->AddHeap(std::move(chunk));
    if (text.refers_) {
      for (const runtime::VectorPtr& argument : arguments) vector->AddHeapsOf(*argument);
    }
    return runtime::VectorPtr(std::move(vector));
  }

  template <typename Result, typename... Values>
  Outcome Call(Result& result, Values&&... values) {
    using Returned = decltype(function_.call(result, values...));
    if constexpr (std::is_void_v<Returned>) {
      function_.call(result, values...);
      return Outcome::kValue;
    } else if constexpr (std::is_same_v<Returned, bool>) {
      return function_.call(result, values...) ? Outcome::kValue : Outcome::kNull;
    } else {
      return function_.call(result, values...);
    }
  }

  void Store(runtime::Vector& vector, int32_t row, const R& value) {
    if constexpr (std::is_same_v<R, runtime::TimestampNanos>) {
      if (type_.precision() <= 3) {
        MutableValues<int64_t>(vector)[row] = value.ms;
      } else if (type_.precision() <= 6) {
        MutableValues<int64_t>(vector)[row] = runtime::MicrosOf(value);
      } else {
        MutableValues<runtime::TimestampNanos>(vector)[row] = value;
      }
    } else if constexpr (std::is_same_v<R, Decimal>) {
      if (type_.physical() == runtime::PhysicalType::kInt128) {
        MutableValues<runtime::Int128>(vector)[row] = value.unscaled;
      } else {
        MutableValues<int64_t>(vector)[row] = static_cast<int64_t>(value.unscaled);
      }
    } else if constexpr (!std::is_same_v<R, StringResult>) {
      MutableValues<typename scalar::Stored<R>::type>(vector)[row] =
          static_cast<typename scalar::Stored<R>::type>(value);
    }
  }

  F function_;
  runtime::LogicalType type_;
  std::vector<runtime::LogicalType> operands_;
};

namespace scalar {

template <typename... A, size_t... I>
bool AcceptsAll(const CallShape& call, [[maybe_unused]] std::vector<LogicalType>* casts,
                std::index_sequence<I...>) {
  return (true && ... && Accepts<typename Unwrap<A>::type>(call.operands[I].type, &(*casts)[I]));
}

template <typename F, typename R, typename... A>
runtime::Result<BoundCall> Bind(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != sizeof...(A)) return bound;
  std::vector<LogicalType> casts(sizeof...(A));
  if (!AcceptsAll<A...>(call, &casts, std::index_sequence_for<A...>())) return bound;
  if constexpr (std::is_same_v<R, runtime::TimestampNanos>) {
    if (!call.type.is_timestamp()) return bound;
  } else if constexpr (std::is_same_v<R, Decimal>) {
    if (call.type.kind() != TypeKind::kDecimal) return bound;
  }
  F function{};
  if constexpr (requires { function.prepare(call); }) RETURN_IF_ERROR(function.prepare(call));
  bound.computed_type = ResultType<R>(call.type);
  std::vector<LogicalType> operands;
  for (size_t i = 0; i < casts.size(); ++i) {
    operands.push_back(casts[i].kind() == TypeKind::kNull ? call.operands[i].type : casts[i]);
  }
  bound.kernel = std::make_unique<ScalarKernel<F, R, A...>>(
      std::move(function),
      bound.computed_type.kind() == TypeKind::kNull ? call.type : bound.computed_type,
      std::move(operands));
  bound.operand_types = std::move(casts);
  bound.strict = !(false || ... || Unwrap<A>::kOptional);
  bound.costly = true;
  if constexpr (requires { F::kCostly; }) bound.costly = F::kCostly;
  if constexpr (requires { F::kPerBatch; }) bound.per_batch = F::kPerBatch;
  if constexpr (requires { F::kDeterministic; }) bound.deterministic = F::kDeterministic;
  using Returned = decltype(std::declval<F&>().call(std::declval<R&>(), std::declval<A>()...));
  bound.can_fail = std::is_same_v<Returned, Outcome>;
  return bound;
}

template <typename F, typename Returned, typename R, typename... A>
runtime::Result<BoundCall> Deduce(const CallShape& call, Returned (F::*)(R&, A...)) {
  return Bind<F, R, std::remove_cvref_t<A>...>(call);
}
template <typename F, typename Returned, typename R, typename... A>
runtime::Result<BoundCall> Deduce(const CallShape& call, Returned (F::*)(R&, A...) const) {
  return Bind<F, R, std::remove_cvref_t<A>...>(call);
}

}  // namespace scalar

template <typename F>
runtime::Result<BoundCall> BindScalar(const CallShape& call) {
  return scalar::Deduce<F>(call, &F::call);
}

}  // namespace millrace::operators
