#include "runtime/engine/execution.h"

#include <algorithm>
#include <set>

#include "runtime/api/table_spec.h"

namespace millrace::runtime {

namespace {

// What a restored checkpoint holds for one vertex, dealt out to new subtasks.
struct RestoredVertex {
  int parallelism = 0;
  std::vector<StateHandle> handles;
  // uid -> state name -> entries of all old subtasks
  std::map<std::string, std::map<std::string, ListEntries>> lists;
  std::map<std::string, std::vector<std::string>> writer_states;
};

class Builder {
 public:
  Builder(const JobGraph& graph, const JobOptions& options, const WorkerEnvironment& environment,
          const RunIdentity& run, const Manifest* restored, SubtaskListener* listener)
      : graph_(graph),
        options_(options),
        environment_(environment),
        run_(run),
        restored_(restored),
        listener_(listener) {}

  Status CheckRestored(bool allow_non_restored);
  Status MakeConnectors(Execution* execution, std::vector<Execution::SourceParts>* sources,
                        std::vector<Execution::SinkParts>* sinks);
  void MakeChannels();
  Result<std::unique_ptr<Subtask>> MakeSubtask(int vertex, int index,
                                               std::vector<Execution::SourceParts>& sources,
                                               std::vector<Execution::SinkParts>& sinks);

 private:
  std::unique_ptr<NodeOperatorContext> MakeContext(Subtask& subtask, const OperatorSpec& spec);
  ListEntries Deal(const ListEntries& all, int index, int parallelism) const;

  const JobGraph& graph_;
  const JobOptions& options_;
  const WorkerEnvironment& environment_;
  const RunIdentity& run_;
  const Manifest* restored_;
  SubtaskListener* listener_;
  std::map<std::string, RestoredVertex> restored_vertices_;
  // channels_[edge][from subtask][to subtask]
  std::vector<std::vector<std::vector<std::shared_ptr<Channel>>>> channels_;
};

Status Builder::CheckRestored(bool allow_non_restored) {
  if (restored_ == nullptr) return Status::Ok();
  if (restored_->max_parallelism != graph_.max_parallelism) {
    return Status::User("restore: the checkpoint has a maximum parallelism of " +
                        std::to_string(restored_->max_parallelism) + ", the job of " +
                        std::to_string(graph_.max_parallelism) +
                        ": set 'pipeline.max-parallelism' to the checkpoint's");
  }
  std::set<std::string> uids;
  for (const Vertex& vertex : graph_.vertices) {
    for (const ChainedOperator& op : vertex.operators) uids.insert(op.spec.uid);
  }
  for (const Manifest::VertexPart& part : restored_->vertices) {
    RestoredVertex& restored = restored_vertices_[part.uid];
    restored.parallelism = part.parallelism;
    for (const Manifest::SubtaskPart& subtask : part.subtasks) {
      if (!subtask.state.empty()) restored.handles.push_back(subtask.state);
      for (const OperatorSnapshot& op : subtask.operators) {
        bool has_state = !op.writer_states.empty() || op.is_source;
        for (const auto& [name, entries] : op.lists) {
          ListEntries& all = restored.lists[op.uid][name];
          all.insert(all.end(), entries.begin(), entries.end());
          has_state |= !entries.empty();
        }
        auto& states = restored.writer_states[op.uid];
        states.insert(states.end(), op.writer_states.begin(), op.writer_states.end());
        if (has_state && !uids.contains(op.uid) && !allow_non_restored) {
          return Status::User("restore: the checkpoint holds state of operator '" + op.uid +
                              "', which the job does not have. To drop it, allow it: "
                              "--allow-non-restored-state");
        }
      }
    }
  }
  return Status::Ok();
}

Status Builder::MakeConnectors(Execution*, std::vector<Execution::SourceParts>* sources,
                               std::vector<Execution::SinkParts>* sinks) {
  for (size_t v = 0; v < graph_.vertices.size(); ++v) {
    for (const ChainedOperator& op : graph_.vertices[v].operators) {
      if (op.spec.kind != "source" && op.spec.kind != "sink") continue;
      ASSIGN_OR_RETURN(SourceConfig config, SourceConfigFromJson(op.spec.config));
      config.table.job_id = run_.job_id;
      config.table.uid = op.spec.uid;
      config.table.time_zone = options_.settings.time_zone;
      config.table.parallelism = graph_.vertices[v].parallelism;
      const std::string where = "table " + config.table.identifier;
      ASSIGN_OR_RETURN(const ConnectorInfo* connector,
                       environment_.registry->FindConnector(config.table.connector));
      if (op.spec.kind == "source") {
        if (!connector->make_source) {
          return Status::User(where + ": connector '" + connector->name + "' can't be read from");
        }
        Execution::SourceParts parts;
        parts.vertex = static_cast<int>(v);
        parts.uid = op.spec.uid;
        Result<std::unique_ptr<Source>> source = connector->make_source(config.table);
        if (!source.ok()) return source.status().Within(where);
        parts.source = std::move(*source);
        Result<std::unique_ptr<SplitEnumerator>> enumerator = parts.source->MakeEnumerator();
        if (!enumerator.ok()) return enumerator.status().Within(where);
        parts.enumerator = std::move(*enumerator);
        parts.table = config.table.identifier;
        parts.parallelism = graph_.vertices[v].parallelism;
        if (restored_ != nullptr) {
          auto found = restored_->enumerators.find(parts.uid);
          if (found != restored_->enumerators.end()) {
            RETURN_IF_ERROR(parts.enumerator->Restore(found->second.snapshot).Within(where));
            parts.unassigned = found->second.unassigned;
          }
          for (const Manifest::VertexPart& vertex : restored_->vertices) {
            for (const Manifest::SubtaskPart& subtask : vertex.subtasks) {
              for (const OperatorSnapshot& part : subtask.operators) {
                if (!part.is_source || part.uid != parts.uid) continue;
                parts.unassigned.insert(parts.unassigned.end(), part.splits.begin(),
                                        part.splits.end());
                for (const std::string& id : part.finished_splits) {
                  parts.enumerator->SplitFinished(id);
                }
              }
            }
          }
        }
        parts.snapshot = parts.enumerator->Snapshot();
        sources->push_back(std::move(parts));
      } else {
        if (!connector->make_sink) {
          return Status::User(where + ": connector '" + connector->name + "' can't be written to");
        }
        Execution::SinkParts parts;
        parts.uid = op.spec.uid;
        Result<std::unique_ptr<Sink>> sink = connector->make_sink(config.table);
        if (!sink.ok()) return sink.status().Within(where);
        parts.sink = std::move(*sink);
        Result<std::unique_ptr<SinkCommitter>> committer = parts.sink->MakeCommitter();
        if (!committer.ok()) return committer.status().Within(where);
        parts.committer = std::move(*committer);
        if (parts.committer != nullptr) {
          if (restored_ != nullptr) {
            auto left = restored_->committables.find(parts.uid);
            if (left != restored_->committables.end()) {
              RETURN_IF_ERROR(parts.committer->Commit(left->second).Within(where));
            }
          }
          std::vector<std::string> states;
          for (auto& [uid, vertex] : restored_vertices_) {
            auto found = vertex.writer_states.find(parts.uid);
            if (found != vertex.writer_states.end()) states = found->second;
          }
          RETURN_IF_ERROR(parts.committer->AbortAfter(run_, states).Within(where));
        }
        sinks->push_back(std::move(parts));
      }
    }
  }
  return Status::Ok();
}

void Builder::MakeChannels() {
  for (const Edge& edge : graph_.edges) {
    const int from = graph_.vertices[edge.from_vertex].parallelism;
    const int to = graph_.vertices[edge.to_vertex].parallelism;
    auto& of_edge = channels_.emplace_back();
    for (int i = 0; i < from; ++i) {
      auto& row = of_edge.emplace_back();
      for (int j = 0; j < to; ++j) {
        const bool used = edge.kind == ExchangeKind::kForward  ? i == j
                          : edge.kind == ExchangeKind::kSingle ? j == 0
                                                               : true;
        row.push_back(used ? std::make_shared<LocalChannel>(options_.channel_bytes) : nullptr);
      }
    }
  }
}

std::unique_ptr<NodeOperatorContext> Builder::MakeContext(Subtask& subtask,
                                                          const OperatorSpec& spec) {
  return std::make_unique<NodeOperatorContext>(&subtask.environment(),
                                               environment_.pool->MakeChild(spec.uid),
                                               &subtask.metrics_of(spec.uid));
}

ListEntries Builder::Deal(const ListEntries& all, int index, int parallelism) const {
  ListEntries mine;
  for (size_t i = 0; i < all.size(); ++i) {
    if (static_cast<int>(i % static_cast<size_t>(parallelism)) == index) mine.push_back(all[i]);
  }
  return mine;
}

Result<std::unique_ptr<Subtask>> Builder::MakeSubtask(
    int vertex_index, int index, std::vector<Execution::SourceParts>& sources,
    std::vector<Execution::SinkParts>& sinks) {
  const Vertex& vertex = graph_.vertices[static_cast<size_t>(vertex_index)];
  const RestoredVertex& restored = restored_vertices_[vertex.uid];
  auto environment = std::make_unique<SubtaskEnvironment>();
  environment->settings = options_.settings;
  environment->run = run_;
  environment->subtask = index;
  environment->parallelism = vertex.parallelism;
  environment->max_parallelism = graph_.max_parallelism;
  environment->executor = environment_.executor;
  environment->file_systems = environment_.file_systems;
  environment->now_ms = environment_.executor->clock().NowMs();

  // Operators first: whether the subtask has keyed state is theirs to say.
  std::vector<std::unique_ptr<Operator>> operators(vertex.operators.size());
  std::vector<std::vector<StateSpec>> specs(vertex.operators.size());
  bool keyed = false;
  for (size_t o = 0; o < vertex.operators.size(); ++o) {
    const OperatorSpec& spec = vertex.operators[o].spec;
    if (spec.kind == "source" || spec.kind == "sink") continue;
    ASSIGN_OR_RETURN(operators[o],
                     environment_.registry->MakeOperator(spec, options_.settings));
    specs[o] = operators[o]->States();
    for (const StateSpec& state : specs[o]) {
      keyed |= state.kind != StateKind::kList && state.kind != StateKind::kUnionList;
    }
  }
  // The waker needs the subtask, the state needs the waker: the subtask gets its state here.
  auto waker_slot = std::make_shared<std::shared_ptr<Waker>>();
  std::unique_ptr<SubtaskState> state;
  if (keyed) {
    SubtaskStateOptions state_options;
    state_options.job_id = run_.job_id;
    state_options.vertex_uid = vertex.uid;
    state_options.subtask = index;
    state_options.max_parallelism = graph_.max_parallelism;
    state_options.key_groups = KeyGroupsOf(index, vertex.parallelism, graph_.max_parallelism);
    state_options.pool = environment_.pool->MakeChild(vertex.uid + ".state");
    state_options.waker = [waker_slot] {
      if (*waker_slot != nullptr) (*waker_slot)->Wake();
    };
    state_options.run_io = [executor = environment_.executor](std::function<void()> work) {
      executor->RunIo(std::move(work));
    };
    state_options.restore = restored.handles;
    ASSIGN_OR_RETURN(state,
                     environment_.state_backend->MakeSubtaskState(std::move(state_options)));
  }
  auto subtask = std::make_unique<Subtask>(
      vertex_index, index,
      vertex.name + " (" + std::to_string(index + 1) + "/" + std::to_string(vertex.parallelism) + ")",
      std::move(environment), std::move(state), listener_);
  *waker_slot = subtask->environment().waker;

  std::vector<ChainNode*> nodes(vertex.operators.size(), nullptr);
  const auto attach = [&](size_t o, ChainNode* node) {
    nodes[o] = node;
    const int parent = vertex.operators[o].parent;
    if (parent < 0) {
      subtask->SetRoot(node);
    } else if (parent == 0 && subtask->source() != nullptr) {
      subtask->source()->AddChild(node);
    } else {
      nodes[static_cast<size_t>(parent)]->AddChild(node);
    }
  };
  for (size_t o = 0; o < vertex.operators.size(); ++o) {
    const OperatorSpec& spec = vertex.operators[o].spec;
    std::unique_ptr<NodeOperatorContext> context = MakeContext(*subtask, spec);
    if (spec.kind == "source") {
      ASSIGN_OR_RETURN(SourceConfig config, SourceConfigFromJson(spec.config));
      auto parts = std::find_if(sources.begin(), sources.end(),
                                [&](const auto& candidate) { return candidate.uid == spec.uid; });
      ASSIGN_OR_RETURN(std::unique_ptr<SourceReader> reader, parts->source->MakeReader());
      RETURN_IF_ERROR(reader->Open(*context).Within("table " + config.table.identifier));
      std::function<Result<std::unique_ptr<WatermarkGenerator>>()> make_generator;
      if (!config.watermark_json.empty()) {
        make_generator = [factory = environment_.registry->watermark_factory(),
                          json = config.watermark_json, row = config.table.produced,
                          settings = options_.settings] { return factory(json, row, settings); };
      }
      WatermarkSettings watermarks{config.on_event, config.interval_ms, config.idle_timeout_ms};
      subtask->SetSource(std::make_unique<SourceNode>(spec.uid, std::move(reader),
                                                      std::move(make_generator), watermarks,
                                                      std::move(context)));
    } else if (spec.kind == "sink") {
      auto parts = std::find_if(sinks.begin(), sinks.end(),
                                [&](const auto& candidate) { return candidate.uid == spec.uid; });
      ASSIGN_OR_RETURN(std::unique_ptr<SinkWriter> writer, parts->sink->MakeWriter());
      RETURN_IF_ERROR(writer->Open(*context).Within(spec.description));
      auto states = restored.writer_states.find(spec.uid);
      if (states != restored.writer_states.end() && !states->second.empty()) {
        RETURN_IF_ERROR(writer->Restore(Deal(states->second, index, vertex.parallelism))
                            .Within(spec.description));
      }
      auto node = std::make_unique<SinkNode>(spec.uid, std::move(writer), std::move(context));
      attach(o, node.get());
      subtask->AddSink(std::move(node));
    } else {
      std::map<std::string, ListEntries> lists;
      auto found = restored.lists.find(spec.uid);
      if (found != restored.lists.end()) {
        for (const StateSpec& list : specs[o]) {
          auto entries = found->second.find(list.name);
          if (entries == found->second.end()) continue;
          lists[list.name] = list.kind == StateKind::kUnionList
                                 ? entries->second
                                 : Deal(entries->second, index, vertex.parallelism);
        }
      }
      RETURN_IF_ERROR(context->OpenStates(spec.uid, specs[o], lists));
      NodeOperatorContext& opened = *context;
      auto node =
          std::make_unique<OperatorNode>(spec.uid, std::move(operators[o]), std::move(context));
      RETURN_IF_ERROR(node->op().Open(opened).Within(spec.description));
      attach(o, node.get());
      subtask->AddOperator(std::move(node));
    }
  }
  for (size_t e = 0; e < graph_.edges.size(); ++e) {
    const Edge& edge = graph_.edges[e];
    if (edge.from_vertex == vertex_index) {
      std::vector<std::shared_ptr<Channel>> mine;
      for (const auto& channel : channels_[e][static_cast<size_t>(index)]) {
        if (channel != nullptr) mine.push_back(channel);
      }
      auto node = std::make_unique<ExchangeNode>(
          edge, index, graph_.vertices[edge.to_vertex].parallelism, graph_.max_parallelism,
          options_.settings, environment_.pool->MakeChild("exchange"), std::move(mine),
          nullptr);
      if (edge.from_operator == 0 && subtask->source() != nullptr) {
        subtask->source()->AddChild(node.get());
      } else {
        nodes[static_cast<size_t>(edge.from_operator)]->AddChild(node.get());
      }
      subtask->AddExchange(std::move(node));
    }
    if (edge.to_vertex == vertex_index) {
      for (const auto& row : channels_[e]) {
        const auto& channel = row[static_cast<size_t>(index)];
        if (channel != nullptr) subtask->gate().AddChannel(edge.to_input, channel);
      }
    }
  }
  return subtask;
}

}  // namespace

Result<std::unique_ptr<Execution>> Execution::Build(const JobGraph& graph,
                                                    const JobOptions& options,
                                                    const WorkerEnvironment& environment,
                                                    const RunIdentity& run,
                                                    const Manifest* restored,
                                                    bool allow_non_restored,
                                                    SubtaskListener* listener) {
  RETURN_IF_ERROR(graph.Validate());
  auto execution = std::unique_ptr<Execution>(new Execution());
  Builder builder(graph, options, environment, run, restored, listener);
  RETURN_IF_ERROR(builder.CheckRestored(allow_non_restored));
  RETURN_IF_ERROR(
      builder.MakeConnectors(execution.get(), &execution->sources_, &execution->sinks_));
  builder.MakeChannels();
  for (size_t v = 0; v < graph.vertices.size(); ++v) {
    execution->first_subtask_.push_back(static_cast<int>(execution->subtasks_.size()));
    for (int i = 0; i < graph.vertices[v].parallelism; ++i) {
      ASSIGN_OR_RETURN(std::unique_ptr<Subtask> subtask,
                       builder.MakeSubtask(static_cast<int>(v), i, execution->sources_,
                                           execution->sinks_));
      execution->subtasks_.push_back(std::move(subtask));
    }
  }
  return execution;
}

Execution::~Execution() {
  Stop();
  subtasks_.clear();
}

void Execution::Stop() {
  // All stop before any dies: wakers of channels reach from one to another.
  for (auto& subtask : subtasks_) subtask->Stop();
}

void Execution::Start() {
  for (auto& subtask : subtasks_) subtask->Start();
}

Subtask* Execution::Find(int vertex, int subtask) {
  return subtasks_[static_cast<size_t>(first_subtask_[static_cast<size_t>(vertex)] + subtask)].get();
}

}  // namespace millrace::runtime
