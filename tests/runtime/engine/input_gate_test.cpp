#include "runtime/engine/input_gate.h"

#include <catch2/catch.hpp>
#include <string>

namespace millrace::runtime {
namespace {

using Kind = Element::Kind;

BatchPtr Rows(int32_t count) {
  BatchBuilder builder(ProcessPool(), {{"n", LogicalType(TypeKind::kBigInt)}});
  for (int32_t i = 0; i < count; ++i) {
    builder.column(0).Append(int64_t{i});
    builder.EndRow();
  }
  return builder.Finish();
}

// A gate over some channels and all that it has given, as words: "rows 3", "mark 7", "barrier 1"
// ...
struct Fixture {
  explicit Fixture(std::vector<int> inputs) {
    for (int input : inputs) {
      channels.push_back(std::make_shared<LocalChannel>(1 << 20));
      gate.AddChannel(input, channels.back());
    }
  }
  void Push(int channel, Element element) {
    channels[static_cast<size_t>(channel)]->Push(std::move(element));
  }
  void Mark(int channel, Timestamp time) { Push(channel, Element::Watermark(time)); }
  void Barrier(int channel, int64_t id) {
    Push(channel, Element::Of(runtime::Barrier{id, false, false}));
  }
  void End(int channel) { Push(channel, Element::End(true)); }

  std::vector<std::string> Poll() {
    std::vector<std::string> given;
    InputGate::Polled polled;
    while (gate.Poll(&polled)) {
      switch (polled.element.kind) {
        case Kind::kBatch:
          given.push_back("rows " + std::to_string(polled.element.batch->num_rows()));
          break;
        case Kind::kWatermark:
          given.push_back(polled.element.time == kMaxTimestamp
                              ? "mark max"
                              : "mark " + std::to_string(polled.element.time));
          break;
        case Kind::kIdle:
          given.push_back("idle");
          break;
        case Kind::kActive:
          given.push_back("active");
          break;
        case Kind::kBarrier:
          given.push_back("barrier " + std::to_string(polled.element.barrier.checkpoint_id));
          break;
        case Kind::kEnd:
          given.push_back("end of " + std::to_string(polled.input) +
                          (polled.element.time == kMaxTimestamp ? ", last" : ""));
          break;
        default:
          given.push_back("?");
      }
    }
    return given;
  }

  InputGate gate;
  std::vector<std::shared_ptr<LocalChannel>> channels;
};

using Given = std::vector<std::string>;

TEST_CASE("the watermark of a gate is the least of its channels and only rises") {
  Fixture f({0, 0});
  f.Mark(0, 10);
  CHECK(f.Poll() == Given{});
  f.Mark(1, 5);
  CHECK(f.Poll() == Given{"mark 5"});
  f.Mark(1, 20);
  CHECK(f.Poll() == Given{"mark 10"});
  f.Mark(1, 30);
  CHECK(f.Poll() == Given{});
  f.Push(0, Element::Of(Rows(3)));
  f.Mark(0, 25);
  CHECK(f.Poll() == Given{"rows 3", "mark 25"});
}

TEST_CASE("an idle channel does not hold the watermark back, and none counts once all are idle") {
  Fixture f({0, 0});
  f.Mark(0, 10);
  f.Push(1, Element::Just(Kind::kIdle));
  CHECK(f.Poll() == Given{"mark 10"});
  f.Push(0, Element::Just(Kind::kIdle));
  CHECK(f.Poll() == Given{"idle"});
  f.Push(1, Element::Of(Rows(1)));
  CHECK(f.Poll() == Given{"active", "rows 1"});
  // Channel 1 is behind: time stands until it has caught up.
  f.Mark(1, 7);
  CHECK(f.Poll() == Given{});
  f.Mark(1, 12);
  CHECK(f.Poll() == Given{"mark 12"});
}

TEST_CASE("a channel that reached the end of time does not take idle ones there") {
  Fixture f({0, 0});
  f.Mark(0, 5);
  f.Mark(1, 7);
  CHECK(f.Poll() == Given{"mark 5"});
  f.Push(0, Element::Just(Kind::kIdle));
  CHECK(f.Poll() == Given{"mark 7"});
  f.Mark(1, kMaxTimestamp);
  CHECK(f.Poll() == Given{});
  f.End(1);
  CHECK(f.Poll() == Given{"idle"});  // all that is left is
  f.Push(0, Element::Of(Rows(1)));   // of a split found only now
  CHECK(f.Poll() == Given{"active", "rows 1"});
  f.Mark(0, kMaxTimestamp);
  CHECK(f.Poll() == Given{"mark max"});
}

TEST_CASE("rows behind a barrier wait until all channels have given theirs") {
  Fixture f({0, 0});
  f.Push(0, Element::Of(Rows(1)));
  f.Barrier(0, 1);
  f.Push(0, Element::Of(Rows(2)));
  CHECK(f.Poll() == Given{"rows 1"});
  CHECK(f.gate.aligning_id() == 1);
  f.Push(1, Element::Of(Rows(3)));
  CHECK(f.Poll() == Given{"rows 3"});
  f.Barrier(1, 1);
  CHECK(f.Poll() == Given{"barrier 1", "rows 2"});
  CHECK(f.gate.aligning_id() == 0);
}

TEST_CASE("a cancelled alignment lets go, and its late barriers are dropped") {
  Fixture f({0, 0});
  f.Barrier(0, 1);
  f.Push(0, Element::Of(Rows(2)));
  CHECK(f.Poll() == Given{});
  f.gate.CancelAlignment(1);
  CHECK(f.Poll() == Given{"rows 2"});
  f.Barrier(1, 1);
  f.Push(1, Element::Of(Rows(4)));
  CHECK(f.Poll() == Given{"rows 4"});
  f.Barrier(1, 2);
  f.Barrier(0, 2);
  CHECK(f.Poll() == Given{"barrier 2"});
}

TEST_CASE("a newer barrier starts the alignment over") {
  Fixture f({0, 0});
  f.Barrier(0, 1);
  CHECK(f.Poll() == Given{});
  f.Barrier(1, 2);  // 1 failed before it came here
  f.Push(1, Element::Of(Rows(1)));
  CHECK(f.Poll() == Given{});
  f.Barrier(0, 2);
  CHECK(f.Poll() == Given{"barrier 2", "rows 1"});
}

TEST_CASE("an ended channel is not waited for, and inputs end one by one") {
  Fixture f({0, 0, 1});
  f.Mark(0, 3);
  f.Mark(2, 9);
  f.Barrier(0, 1);
  f.Barrier(2, 1);
  CHECK(f.Poll() == Given{});
  f.End(1);
  CHECK(f.Poll() == Given{"mark 3", "barrier 1"});
  f.Mark(0, kMaxTimestamp);
  f.End(0);
  CHECK(f.Poll() == Given{"mark 9", "end of 0"});
  CHECK_FALSE(f.gate.ended());
  f.Mark(2, kMaxTimestamp);
  f.End(2);
  CHECK(f.Poll() == Given{"mark max", "end of 1, last"});
  CHECK(f.gate.ended());
}

TEST_CASE("a channel is full by bytes and wakes its producer at half") {
  LocalChannel channel(4000);
  int woken = 0;
  channel.OnRoom([&] { ++woken; });
  int sent = 0;
  while (channel.HasRoom()) {
    channel.Push(Element::Of(Rows(100)));
    REQUIRE(++sent < 100);
  }
  CHECK(sent > 1);
  channel.Push(Element::Watermark(1));  // always fits
  Element element;
  int taken = 0;
  while (woken == 0 && channel.Pop(&element)) ++taken;
  CHECK(channel.HasRoom());
  CHECK(taken >= sent / 2);
  CHECK(taken < sent);
  while (channel.Pop(&element)) ++taken;
  CHECK(taken == sent + 1);
  CHECK(woken == 1);
}

TEST_CASE("barriers of a checkpoint that was given up change nothing") {
  SECTION("one that comes while the next is being aligned") {
    Fixture f({0, 0, 0});
    f.Barrier(0, 6);
    CHECK(f.Poll() == Given{});
    f.Barrier(1, 5);
    f.Push(1, Element::Of(Rows(2)));
    f.Barrier(1, 6);
    CHECK(f.Poll() == Given{"rows 2"});
    CHECK(f.gate.aligning_id() == 6);
    f.Barrier(2, 6);
    CHECK(f.Poll() == Given{"barrier 6"});
  }
  SECTION("those that were on their way when it was given up") {
    Fixture f({0, 0});
    f.gate.CancelAlignment(5);
    f.Barrier(0, 5);
    f.Push(0, Element::Of(Rows(1)));
    CHECK(f.Poll() == Given{"rows 1"});
    CHECK(f.gate.aligning_id() == 0);
    f.Barrier(0, 6);
    f.Barrier(1, 5);
    f.Barrier(1, 6);
    CHECK(f.Poll() == Given{"barrier 6"});
  }
}

}  // namespace
}  // namespace millrace::runtime
