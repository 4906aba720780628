#pragma once

#include <cstring>
#include <type_traits>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

using runtime::Int128;
using runtime::StateArena;
using runtime::StringRef;

// Appends bits of bytes 0 and 1 as NULLs of rows begin .. begin + count - 1 of a builder.
void MarkNullBytes(runtime::VectorBuilder* out, int32_t begin, const uint8_t* valid, int32_t count);

// Gives scratch bytes of the calling thread, kept between calls; at least `count`.
uint8_t* ScratchBytes(int32_t count);

// Where one field of an accumulator lies.
struct FieldSlot {
  uint32_t offset = 0;
  uint32_t null_byte = 0;
  uint8_t null_mask = 0;

  FieldSlot() = default;
  FieldSlot(const runtime::RowLayout& layout, int field)
      : offset(layout.OffsetOf(field)),
        null_byte(static_cast<uint32_t>(field >> 3)),
        null_mask(static_cast<uint8_t>(1u << (field & 7))) {}

  template <typename T>
  T Load(const uint8_t* row) const {
    return runtime::RowLayout::Load<T>(row, offset);
  }
  template <typename T>
  void Store(uint8_t* row, const T& value) const {
    runtime::RowLayout::Store(row, offset, value);
  }
  bool IsNull(const uint8_t* row) const { return (row[null_byte] & null_mask) != 0; }
  void SetNull(uint8_t* row) const { row[null_byte] |= null_mask; }
  void SetValid(uint8_t* row) const { row[null_byte] &= static_cast<uint8_t>(~null_mask); }
};

// Copies a result into a builder; bytes of long strings into its heap.
template <typename T>
inline T CopyOut(const T& value, runtime::VectorBuilder*) {
  return value;
}
inline StringRef CopyOut(const StringRef& text, runtime::VectorBuilder* out) {
  if (text.is_inline()) return text;
  char* bytes = out->AllocateHeap(text.size());
  std::memcpy(bytes, text.data(), text.size());
  return {bytes, text.size()};
}

// Makes an AggregateFunction of a Core, which works on one accumulator:
//   using Input, Output, Partial;
//   static constexpr bool kNullable;            // whether Result may give false
//   RowType fields() const; void Bind(layout, first);
//   void Start(uint8_t* row, StateArena* arena) const;           // back to no input
//   void Add(uint8_t* row, const Input&, StateArena*) const; void Subtract(...) const;
//   bool Result(const uint8_t* row, Output*) const;              // false: NULL (output then zero)
//   Partial FromRow(const uint8_t* row) const;
//   Partial FromColumns(const PartialColumns&, int32_t i) const;
//   void Merge(uint8_t* row, const Partial&, StateArena*) const;
template <typename Core>
class FunctionOf : public AggregateFunction {
 public:
  using Input = typename Core::Input;
  using Output = typename Core::Output;

  explicit FunctionOf(Core core) : core_(std::move(core)) {}

  runtime::RowType fields() const override { return core_.fields(); }
  void Bind(const runtime::RowLayout& layout, int first_field) override {
    core_.Bind(layout, first_field);
  }
  void Initialize(uint8_t* const* accumulators, int32_t count) const override {
    for (int32_t i = 0; i < count; ++i) core_.Start(accumulators[i], nullptr);
  }
  void Update(const UpdateRows& rows) const override {
    const bool simple = rows.actions == nullptr && rows.lanes.use == nullptr;
    switch (rows.emission) {
      case Emission::kNone:
        return simple ? Loop<Emission::kNone, true>(rows) : Loop<Emission::kNone, false>(rows);
      case Emission::kAfter:
        return simple ? Loop<Emission::kAfter, true>(rows) : Loop<Emission::kAfter, false>(rows);
      case Emission::kBoth:
        return simple ? Loop<Emission::kBoth, true>(rows) : Loop<Emission::kBoth, false>(rows);
    }
  }
  void MergeRows(uint8_t* const* rows, const uint8_t* const* others, int32_t count,
                 StateArena* arena) const override {
    const Core core = core_;
    for (int32_t i = 0; i < count; ++i) {
      if (others[i] != nullptr) core.Merge(rows[i], core.FromRow(others[i]), arena);
    }
  }
  void MergeColumns(uint8_t* const* rows, const PartialColumns& partials, int32_t count,
                    StateArena* arena) const override {
    const Core core = core_;
    for (int32_t i = 0; i < count; ++i) core.Merge(rows[i], core.FromColumns(partials, i), arena);
  }
  void AppendResults(const uint8_t* const* rows, int32_t count,
                     runtime::VectorBuilder* out) const override {
    const Core core = core_;
    out->Reserve(count);
    Output* to = out->template tail<Output>();
    uint8_t* valid = Core::kNullable ? ScratchBytes(count) : nullptr;
    for (int32_t i = 0; i < count; ++i) {
      Output value;
      const bool is_valid = core.Result(rows[i], &value);
      to[i] = CopyOut(value, out);
      if (Core::kNullable) valid[i] = is_valid;
    }
    if (Core::kNullable) MarkNullBytes(out, out->length(), valid, count);
    out->Advance(count);
  }

 private:
  template <Emission kEmission, bool kSimple>
  void Loop(const UpdateRows& rows) const {
    const Core core = core_;
    const auto* values = static_cast<const Input*>(rows.lanes.values);
    constexpr int32_t kStride = kEmission == Emission::kBoth ? 2 : 1;
    const int32_t count = rows.count;
    Output* to = nullptr;
    uint8_t* valid = nullptr;
    if constexpr (kEmission != Emission::kNone) {
      CHECK_THAT_HOLDS(runtime::WidthOf(rows.out->type().physical()) == sizeof(Output));
      rows.out->Reserve(count * kStride);
      to = rows.out->template tail<Output>();
      if (Core::kNullable) valid = ScratchBytes(count * kStride);
    }
    const auto emit = [&](const uint8_t* row, int32_t at) {
      Output value;
      const bool is_valid = core.Result(row, &value);
      to[at] = CopyOut(value, rows.out);
      if (Core::kNullable) valid[at] = is_valid;
    };
    for (int32_t i = 0; i < count; ++i) {
      uint8_t* row = rows.accumulators[i];
      const uint8_t action = kSimple || rows.actions == nullptr ? uint8_t{kPlain} : rows.actions[i];
      if constexpr (!kSimple) {
        if ((action & kIgnore) != 0) {
          for (int32_t k = 0; kEmission != Emission::kNone && k < kStride; ++k) {
            to[i * kStride + k] = Output();
            if (Core::kNullable) valid[i * kStride + k] = 0;
          }
          continue;
        }
        if ((action & kFirst) != 0) core.Start(row, rows.arena);
      }
      if constexpr (kEmission == Emission::kBoth) emit(row, 2 * i);
      if constexpr (kEmission == Emission::kAfter && !kSimple) {
        if ((action & kLast) != 0) emit(row, i);
      }
      if (kSimple || rows.lanes.use == nullptr || rows.lanes.use[i] != 0) {
        const Input value = values == nullptr ? Input() : values[i];
        if (!kSimple && (action & kRetract) != 0) {
          core.Subtract(row, value, rows.arena);
        } else {
          core.Add(row, value, rows.arena);
        }
      }
      if constexpr (kEmission == Emission::kBoth) emit(row, 2 * i + 1);
      if constexpr (kEmission == Emission::kAfter) {
        if (kSimple || (action & kLast) == 0) emit(row, i);
      }
    }
    if constexpr (kEmission != Emission::kNone) {
      if (Core::kNullable) MarkNullBytes(rows.out, rows.out->length(), valid, count * kStride);
      rows.out->Advance(count * kStride);
    }
  }

  Core core_;
};

template <typename Core>
std::unique_ptr<AggregateFunction> MakeFunction(Core core) {
  return std::make_unique<FunctionOf<Core>>(std::move(core));
}

// Value of field `field` of partial i; false: NULL.
template <typename T>
inline bool PartialAt(const PartialColumns& partials, int field, int32_t i, T* value) {
  const uint8_t* valid = partials.valid[static_cast<size_t>(field)];
  if (valid != nullptr && valid[i] == 0) return false;
  *value = static_cast<const T*>(partials.values[static_cast<size_t>(field)])[i];
  return true;
}

}  // namespace millrace::operators
