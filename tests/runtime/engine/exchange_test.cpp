#include "runtime/engine/exchange.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

namespace millrace::runtime {
namespace {

const RowType kType = {{"k", LogicalType(TypeKind::kBigInt)}, {"s", LogicalType::VarChar()}};

std::string TextOf(int64_t key) { return "the text that belongs to key " + std::to_string(key); }

// Keys first .. first + count - 1, every seventh of them NULL; `selected`: between rows that do not
// count.
BatchPtr Rows(int64_t first, int32_t count, bool selected) {
  BatchBuilder builder(ProcessPool(), kType);
  BufferPtr selection =
      ProcessPool().Allocate(static_cast<size_t>(count) * 4 + Vector::kPaddingBytes);
  auto* const positions = reinterpret_cast<int32_t*>(selection->data());
  for (int32_t i = 0; i < count; ++i) {
    if (selected) {
      builder.column(0).Append(int64_t{-1});
      builder.column(1).AppendString("not selected");
      builder.EndRow();
    }
    positions[i] = builder.num_rows();
    const int64_t key = first + i;
    if (key % 7 == 0) {
      builder.column(0).AppendNull();
    } else {
      builder.column(0).Append(key);
    }
    builder.column(1).AppendString(TextOf(key));
    builder.EndRow(key % 3 == 0 ? RowKind::kUpdateAfter : RowKind::kInsert);
  }
  BatchPtr batch = builder.Finish();
  if (!selected) return batch;
  auto with_selection = std::make_shared<Batch>(*batch);
  with_selection->SetSelection(std::move(selection), count);
  return with_selection;
}

struct Sender {
  Sender(ExchangeKind kind, int receivers, int32_t batch_rows, int subtask = 0) {
    Edge edge;
    edge.kind = kind;
    edge.key_columns = {0};
    edge.type = kType;
    JobSettings settings;
    settings.batch_rows = batch_rows;
    for (int i = 0; i < receivers; ++i) channels.push_back(std::make_shared<LocalChannel>(1 << 20));
    std::vector<std::shared_ptr<Channel>> mine(channels.begin(), channels.end());
    node =
        std::make_unique<ExchangeNode>(edge, subtask, receivers, kDefaultMaxParallelism, settings,
                                       MemoryPool::MakeRoot("test", 0), std::move(mine), nullptr);
  }
  bool Send(Element element) {
    Result<bool> done = node->Offer(0, element);
    REQUIRE(done.ok());
    return *done;
  }
  std::vector<Element> TakeAll(int receiver) {
    std::vector<Element> all;
    Element element;
    while (channels[static_cast<size_t>(receiver)]->Pop(&element))
      all.push_back(std::move(element));
    return all;
  }

  std::vector<std::shared_ptr<LocalChannel>> channels;
  std::unique_ptr<ExchangeNode> node;
};

TEST_CASE("a hash exchange sends each row to the subtask of its key group, and says the group") {
  constexpr int32_t kRows = 500, kBatches = 5;
  for (const int receivers : {1, 2, 3, 8}) {
    for (const bool selected : {false, true}) {
      INFO("receivers " << receivers << " selected " << selected);
      Sender sender(ExchangeKind::kHash, receivers, 64);
      for (int b = 0; b < kBatches; ++b) {
        REQUIRE(sender.Send(Element::Of(Rows(b * kRows, kRows, selected))));
      }
      REQUIRE(sender.Send(Element::Watermark(42)));
      CHECK_FALSE(sender.node->holds_rows());

      KeyEncoder encoder({kType[0].type});
      std::set<std::string> texts;
      for (int d = 0; d < receivers; ++d) {
        const std::vector<Element> elements = sender.TakeAll(d);
        REQUIRE(elements.size() > 1);
        // Everything sent before an element arrives before it.
        CHECK(elements.back().kind == Element::Kind::kWatermark);
        CHECK(elements.back().time == 42);
        int64_t last = -1;
        for (size_t e = 0; e + 1 < elements.size(); ++e) {
          REQUIRE(elements[e].kind == Element::Kind::kBatch);
          const Batch& batch = *elements[e].batch;
          REQUIRE(batch.key_groups() != nullptr);
          const Vector* keys[] = {&batch.column(0)};
          for (int32_t i = 0; i < batch.num_rows(); ++i) {
            const int32_t row = batch.PhysicalRow(i);
            const uint16_t group = KeyGroupOf(encoder.HashCode(keys, row), kDefaultMaxParallelism);
            const std::string text(batch.column(1).At<StringRef>(row).view());
            const int64_t key = std::stoll(text.substr(text.rfind(' ')));
            bool right = batch.key_groups()[row] == group;
            right &= SubtaskOf(group, receivers, kDefaultMaxParallelism) == d;
            right &= batch.column(0).IsNull(row) == (key % 7 == 0);
            right &= batch.column(0).IsNull(row) || batch.column(0).At<int64_t>(row) == key;
            right &= batch.KindAt(row) == (key % 3 == 0 ? RowKind::kUpdateAfter : RowKind::kInsert);
            right &= text == TextOf(key) && key > last;  // in order
            if (!right) FAIL("wrong row: " << text << " at " << d);
            last = key;
            texts.insert(text);
          }
        }
      }
      CHECK(texts.size() == static_cast<size_t>(kRows * kBatches));
    }
  }
}

TEST_CASE("a hash exchange gathers rows up to a batch, and gives away what it has when flushed") {
  Sender sender(ExchangeKind::kHash, 4, 1000);
  REQUIRE(sender.Send(Element::Of(Rows(0, 100, false))));
  for (int d = 0; d < 4; ++d) CHECK(sender.TakeAll(d).empty());
  CHECK(sender.node->holds_rows());
  sender.node->Flush();
  CHECK_FALSE(sender.node->holds_rows());
  int32_t rows = 0;
  for (int d = 0; d < 4; ++d) {
    for (const Element& element : sender.TakeAll(d)) rows += element.batch->num_rows();
  }
  CHECK(rows == 100);
}

TEST_CASE("an exchange is blocked while a receiver has no room, and goes on with the same batch") {
  Sender sender(ExchangeKind::kBroadcast, 2, 1024);
  const BatchPtr batch = Rows(0, 1000, false);
  int sent = 0;
  while (sender.Send(Element::Of(batch))) REQUIRE(++sent < 1000);
  CHECK(sent > 0);
  CHECK(sender.TakeAll(0).size() == static_cast<size_t>(sent));
  Result<bool> done = sender.node->Run();  // receiver 1 is still full
  REQUIRE(done.ok());
  CHECK_FALSE(*done);
  CHECK(sender.TakeAll(1).size() == static_cast<size_t>(sent));
  done = sender.node->Run();
  REQUIRE(done.ok());
  CHECK(*done);
  CHECK(sender.TakeAll(0).size() == 1);
  CHECK(sender.TakeAll(1).size() == 1);
}

TEST_CASE("rebalance goes round, starting at the sender's own number; others send whole batches") {
  Sender round(ExchangeKind::kRebalance, 3, 1024, 2);
  for (int i = 0; i < 7; ++i) REQUIRE(round.Send(Element::Of(Rows(0, i + 1, false))));
  REQUIRE(round.Send(Element::Of(Barrier{5, false, false})));
  const std::vector<size_t> batches = {2, 2, 3};
  for (int d = 0; d < 3; ++d) {
    const std::vector<Element> elements = round.TakeAll(d);
    CHECK(elements.size() == batches[static_cast<size_t>(d)] + 1);
    CHECK(elements.back().barrier.checkpoint_id == 5);
  }
  Sender single(ExchangeKind::kSingle, 1, 1024);
  const BatchPtr batch = Rows(0, 10, false);
  REQUIRE(single.Send(Element::Of(batch)));
  CHECK(single.TakeAll(0).at(0).batch == batch);
}

TEST_CASE("nothing follows the end of input") {
  Sender sender(ExchangeKind::kHash, 3, 1024);
  REQUIRE(sender.Send(Element::Of(Rows(0, 10, false))));
  REQUIRE(sender.Send(Element::End(true)));
  REQUIRE(sender.Send(Element::Of(Barrier{9, false, false})));
  for (int d = 0; d < 3; ++d) CHECK(sender.TakeAll(d).back().kind == Element::Kind::kEnd);
}

}  // namespace
}  // namespace millrace::runtime
