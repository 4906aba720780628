#include <cstring>

#include "operators/expression/expression.h"

// CASE and COALESCE: values of several steps merged by row.

namespace millrace::operators {

using runtime::BufferPtr;
using runtime::Encoding;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Vector;
using runtime::VectorPtr;

namespace {

// Takes values of several vectors row by row into one.
class Merge {
 public:
  Merge(runtime::MemoryPool& pool, const LogicalType& type, const RowSet& rows)
      : pool_(pool), type_(type), rows_(rows), words_(runtime::WordsFor(rows.length)) {
    nested_ = type.physical() == PhysicalType::kArray || type.physical() == PhysicalType::kMap ||
              type.physical() == PhysicalType::kRow;
    if (nested_) {
      sources_.assign(static_cast<size_t>(rows.length), {nullptr, 0});
      return;
    }
    result_ = std::make_shared<Vector>(type.physical(), Encoding::kFlat, rows.length);
    values_ = runtime::AllocateValues(pool, type.physical(), rows.length);
  }

  // Takes the rows whose bit is 1. The first call fills every row, so that all are valid values.
  void Take(const VectorPtr& vector, const uint64_t* bits) {
    if (nested_) {
      for (int32_t row = 0; row < rows_.length; ++row) {
        if (first_ || TestBit(bits, row)) sources_[static_cast<size_t>(row)] = {vector.get(), row};
      }
      held_.push_back(vector);
      first_ = false;
      return;
    }
    switch (runtime::WidthOf(type_.physical())) {
      case 1:
        Blend<uint8_t>(*vector, bits);
        break;
      case 2:
        Blend<uint16_t>(*vector, bits);
        break;
      case 4:
        Blend<uint32_t>(*vector, bits);
        break;
      case 8:
        Blend<uint64_t>(*vector, bits);
        break;
      default:
        Blend<Bytes16>(*vector, bits);
        break;
    }
    result_->AddHeapsOf(*vector);
    TakeValidity(*vector, bits);
    first_ = false;
  }

  VectorPtr Finish() {
    if (nested_) {
      runtime::VectorBuilder builder(pool_, type_, rows_.length);
      for (const auto& [vector, row] : sources_) {
        builder.AppendFrom(*vector, row, runtime::VectorBuilder::Strings::kKeep);
      }
      return builder.Finish();
    }
    result_->SetValues(std::move(values_));
    if (validity_) result_->SetValidity(std::move(validity_));
    return result_;
  }

 private:
  struct Bytes16 {
    uint64_t a, b;
  };

  template <typename T>
  void Blend(const Vector& vector, const uint64_t* bits) {
    const T* __restrict from = vector.values<T>();
    T* __restrict to = static_cast<T*>(static_cast<void*>(values_->data()));
    const int32_t length = rows_.length;
    if (vector.encoding() == Encoding::kConstant) {
      const T value = from[0];
      if (first_) {
        for (int32_t i = 0; i < length; ++i) to[i] = value;
        return;
      }
      for (int64_t word = 0; word < words_; ++word)
        BlendWord(to + word * 64, bits[word], [&](int) { return value; });
      return;
    }
    if (vector.encoding() == Encoding::kDictionary) {
      const int32_t* indices = vector.indices();
      for (int32_t i = 0; i < length; ++i) {
        if (first_ || TestBit(bits, i)) to[i] = from[indices[i]];
      }
      return;
    }
    if (first_) {
      std::memcpy(to, from, sizeof(T) * static_cast<size_t>(length));
      return;
    }
    for (int64_t word = 0; word < words_; ++word) {
      const T* source = from + word * 64;
      BlendWord(to + word * 64, bits[word], [&](int i) { return source[i]; });
    }
  }

  // Values behind the length are written too: vectors are padded by a whole word of bytes only, so
  // the last word is cut.
  template <typename T, typename Get>
  void BlendWord(T* __restrict to, uint64_t bits, Get get) {
    const auto base =
        static_cast<int64_t>(to - static_cast<T*>(static_cast<void*>(values_->data())));
    const int64_t left = rows_.length - base;
    if (left < 64) {
      for (int i = 0; i < left; ++i) {
        if (bits >> i & 1) to[i] = get(i);
      }
      return;
    }
    if (bits == 0) return;
    if constexpr (sizeof(T) <= 8) {
      // A mask a value keeps the loop free of branches.
      for (int i = 0; i < 64; ++i) {
        const T mask = static_cast<T>(T{0} - static_cast<T>(bits >> i & 1));
        to[i] = static_cast<T>((to[i] & static_cast<T>(~mask)) | (get(i) & mask));
      }
    } else {
      for (; bits != 0; bits &= bits - 1) {
        const int i = __builtin_ctzll(bits);
        to[i] = get(i);
      }
    }
  }

  void TakeValidity(const Vector& vector, const uint64_t* bits) {
    if (!vector.may_have_nulls() && !validity_) return;
    if (!validity_) validity_ = AllValid(pool_, rows_.length);
    uint64_t* __restrict to = Words(validity_);
    const bool constant = vector.encoding() == Encoding::kConstant;
    const uint64_t of_constant = constant && vector.IsNull(0) ? 0 : ~uint64_t{0};
    for (int64_t word = 0; word < words_; ++word) {
      const uint64_t take = first_ ? ~uint64_t{0} : bits[word];
      const uint64_t valid =
          constant || !vector.may_have_nulls() ? of_constant : vector.validity()[word];
      to[word] = (to[word] & ~take) | (valid & take);
    }
  }

  runtime::MemoryPool& pool_;
  const LogicalType& type_;
  const RowSet& rows_;
  const int64_t words_;
  bool nested_ = false;
  bool first_ = true;
  std::shared_ptr<Vector> result_;
  BufferPtr values_;
  BufferPtr validity_;
  std::vector<std::pair<const Vector*, int32_t>> sources_;
  std::vector<VectorPtr> held_;
};

}  // namespace

Result<VectorPtr> Evaluator::ComputeCase(const Step& step, const RowSet& rows) {
  const int64_t words = runtime::WordsFor(rows.length);
  const size_t pairs = step.operands.size() / 2;
  const bool has_else = step.operands.size() % 2 == 1;
  BufferPtr room = runtime::AllocateValidity(*context_.pool, static_cast<int32_t>(words * 64 * 2));
  uint64_t* open = Words(room);  // rows that no condition took yet
  uint64_t* taken = open + words;
  std::memset(open, 0xff, static_cast<size_t>(words) * 8);
  Merge merge(*context_.pool, step.type, rows);
  // The ELSE value goes in first where it is dense: then each WHEN blends over it. Else it is
  // computed last, for the rows that are left.
  const bool else_first = !has_else || program_.step(step.operands.back()).dense ||
                          program_.step(step.operands.back()).kind == Step::Kind::kConstant;
  if (has_else && else_first) {
    ASSIGN_OR_RETURN(const VectorPtr value, Evaluate(step.operands.back(), rows));
    merge.Take(value, open);
  } else {
    merge.Take(runtime::MakeNulls(*context_.pool, step.type, rows.length), open);
  }
  const RowSet* left = &rows;
  for (size_t pair = 0; pair < pairs; ++pair) {
    const int condition_step = step.operands[pair * 2];
    const int value_step = step.operands[pair * 2 + 1];
    if (pair > 0 && !program_.step(condition_step).dense) {
      left = &Narrow(*left, open);
      if (left->count == 0) break;
    }
    ASSIGN_OR_RETURN(const VectorPtr condition, Evaluate(condition_step, *left));
    if (condition->encoding() == Encoding::kConstant) {
      const bool yes = !condition->IsNull(0) && condition->values<uint8_t>()[0] != 0;
      std::memset(taken, yes ? 0xff : 0, static_cast<size_t>(words) * 8);
    } else {
      PackBits(condition->values<uint8_t>(), rows.length, taken);
      if (condition->may_have_nulls()) {
        for (int64_t w = 0; w < words; ++w) taken[w] &= condition->validity()[w];
      }
    }
    for (int64_t w = 0; w < words; ++w) {
      taken[w] &= open[w];
      open[w] &= ~taken[w];
    }
    const RowSet* wanted = &rows;
    if (!program_.step(value_step).dense) {
      wanted = &Narrow(*left, taken);
      if (wanted->count == 0) continue;
    }
    ASSIGN_OR_RETURN(const VectorPtr value, Evaluate(value_step, *wanted));
    merge.Take(value, taken);
  }
  if (has_else && !else_first) {
    const RowSet& rest = Narrow(*left, open);
    if (rest.count > 0) {
      ASSIGN_OR_RETURN(const VectorPtr value, Evaluate(step.operands.back(), rest));
      merge.Take(value, open);
    }
  }
  return merge.Finish();
}

Result<VectorPtr> Evaluator::ComputeCoalesce(const Step& step, const RowSet& rows) {
  const int64_t words = runtime::WordsFor(rows.length);
  BufferPtr room = runtime::AllocateValidity(*context_.pool, static_cast<int32_t>(words * 64 * 2));
  uint64_t* open = Words(room);
  uint64_t* taken = open + words;
  std::memset(open, 0xff, static_cast<size_t>(words) * 8);
  Merge merge(*context_.pool, step.type, rows);
  const RowSet* left = &rows;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    if (i > 0) {
      if (!program_.step(step.operands[i]).dense) {
        left = &Narrow(*left, open);
        if (left->count == 0) break;
      }
    }
    ASSIGN_OR_RETURN(const VectorPtr value, Evaluate(step.operands[i], *left));
    if (i == 0 && !value->may_have_nulls()) return value;
    merge.Take(value, open);
    // Rows that got a value are settled.
    bool any_open = false;
    for (int64_t w = 0; w < words; ++w) {
      const uint64_t valid = !value->may_have_nulls() ? ~uint64_t{0}
                             : value->encoding() == Encoding::kConstant
                                 ? (value->IsNull(0) ? 0 : ~uint64_t{0})
                                 : value->validity()[w];
      taken[w] = valid;
      open[w] &= ~valid;
      any_open |= open[w] != 0;
    }
    if (!any_open) break;
  }
  return merge.Finish();
}

}  // namespace millrace::operators
