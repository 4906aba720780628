#include "connectors/kinesis/kinesis_options.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "connectors/formats/format.h"
#include "runtime/types/text/date_time_text.h"

namespace millrace::connectors {

using runtime::Options;
using runtime::OptionSpec;
using runtime::OptionType;
using runtime::Result;
using runtime::Status;

namespace {

constexpr char kDefaultTimestampFormat[] = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX";

constexpr OptionSpec kOptions[] = {
    {"stream.arn", OptionType::kString, nullptr,
     "The stream, as arn:aws:kinesis:REGION:ACCOUNT:stream/NAME."},
    {"stream", OptionType::kString, nullptr,
     "The stream by its name alone, instead of 'stream.arn'."},
    {"format", OptionType::kString, nullptr, "The format of the records.", "", true},
    {"aws.region", OptionType::kString, nullptr,
     "The region of the stream; that of 'stream.arn' or AWS_REGION when not set."},
    {"aws.endpoint", OptionType::kString, nullptr,
     "Where the service listens, for example http://127.0.0.1:4567; derived from the region when "
     "not "
     "set."},
    {"aws.trust.all.certificates", OptionType::kBool, "false",
     "Accept any TLS certificate; for tests only. Not used: there is no TLS yet."},
    {"aws.retry-timeout", OptionType::kDuration, "10 min",
     "For how long a service that can't be reached, throttles or fails is tried again before it is "
     "an "
     "error of the job. Ours."},
    // Credentials.
    {"aws.credentials.provider", OptionType::kEnum, "AUTO",
     "Where credentials come from: BASIC, the options 'aws.credentials.basic.*'; ENV_VAR, "
     "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; AUTO, the first of these "
     "that "
     "is set, or none.",
     "AUTO,BASIC,ENV_VAR,SYS_PROP,PROFILE,ASSUME_ROLE,WEB_IDENTITY_TOKEN,CUSTOM"},
    {"aws.credentials.basic.accesskeyid", OptionType::kString, nullptr,
     "Access key id, for BASIC."},
    {"aws.credentials.basic.secretkey", OptionType::kString, nullptr, "Secret key, for BASIC.", "",
     false, true},
    {"aws.credentials.basic.sessiontoken", OptionType::kString, nullptr,
     "Session token, for BASIC. Ours.", "", false, true},
    // Source.
    {"source.init.position", OptionType::kEnum, "LATEST",
     "Where a shard that was not read yet begins. LATEST is the moment at which the job first "
     "started.",
     "LATEST,TRIM_HORIZON,AT_TIMESTAMP"},
    {"source.init.timestamp", OptionType::kString, nullptr,
     "For AT_TIMESTAMP: a date and time with an offset (2013-01-01T00:00:00.000Z), or seconds "
     "since "
     "the epoch."},
    {"source.init.timestamp.format", OptionType::kString, kDefaultTimestampFormat,
     "The form of 'source.init.timestamp'; only the default is read."},
    {"source.shard.discovery.interval", OptionType::kDuration, "10 s",
     "Time between looks for new shards."},
    {"source.shard.get-records.max-record-count", OptionType::kInt, "10000",
     "The most records of one GetRecords."},
    {"source.shard.get-records.interval", OptionType::kDuration, "0 ms",
     "Time between two GetRecords of a shard."},
    {"source.shard.get-records.idle-source-interval", OptionType::kDuration, "250 ms",
     "Time between two GetRecords of a shard that has nothing new. On this machine the first such "
     "pauses are shorter."},
    {"source.reader.empty-records-fetch-interval", OptionType::kDuration, nullptr,
     "The newer name of 'source.shard.get-records.idle-source-interval'."},
    {"source.reader.nonempty-records-fetch-interval", OptionType::kDuration, nullptr,
     "The newer name of 'source.shard.get-records.interval'."},
    {"source.reader.type", OptionType::kEnum, "POLLING",
     "How records are read. EFO (enhanced fan-out) is refused for now.", "POLLING,EFO"},
    {"source.reader.prefetch-size", OptionType::kMemorySize, "8 mb",
     "How much a reader fetches ahead of what is processed. Ours."},
    {"scan.bounded.mode", OptionType::kEnum, "unbounded",
     "'latest-offset' reads what is there when the job starts, and ends. Ours.",
     "unbounded,latest-offset"},
    {"scan.stream.initpos", OptionType::kEnum, nullptr,
     "What 'kinesis-legacy' calls 'source.init.position'.", "LATEST,TRIM_HORIZON,AT_TIMESTAMP"},
    {"scan.stream.initpos-timestamp", OptionType::kString, nullptr,
     "What 'kinesis-legacy' calls 'source.init.timestamp'."},
    {"scan.stream.initpos-timestamp-format", OptionType::kString, nullptr,
     "What 'kinesis-legacy' calls 'source.init.timestamp.format'."},
    {"scan.shard.getrecords.maxrecordcount", OptionType::kInt, nullptr,
     "What 'kinesis-legacy' calls 'source.shard.get-records.max-record-count'."},
    {"scan.shard.getrecords.intervalmillis", OptionType::kInt, nullptr,
     "What 'kinesis-legacy' calls 'source.shard.get-records.interval', in milliseconds."},
    {"scan.shard.discovery.intervalmillis", OptionType::kInt, nullptr,
     "What 'kinesis-legacy' calls 'source.shard.discovery.interval', in milliseconds."},
    // Sink.
    {"sink.partitioner", OptionType::kEnum, nullptr,
     "The partition key of a record: 'fixed', by subtask; 'random', the default. A table that is "
     "PARTITIONED BY columns takes those, and then has no 'sink.partitioner'.",
     "fixed,random"},
    {"sink.partitioner-field-delimiter", OptionType::kString, "|",
     "Stands between the values of the PARTITIONED BY columns in a partition key."},
    {"sink.delivery-guarantee", OptionType::kEnum, nullptr,
     "'exactly-once', by transactions of the Millrace log, the default there; 'at-least-once', the "
     "default and all there is elsewhere. Ours.",
     "exactly-once,at-least-once"},
    {"sink.batch.max-size", OptionType::kInt, "500", "The most records of one PutRecords."},
    {"sink.requests.max-inflight", OptionType::kInt, "16",
     "The most unfinished requests. Not used: a subtask has one, so that order is kept."},
    {"sink.requests.max-buffered", OptionType::kInt, "10000",
     "So many records may wait before the job is held back."},
    {"sink.flush-buffer.size", OptionType::kInt, "5242880",
     "A request is sent once it has so many bytes."},
    {"sink.flush-buffer.timeout", OptionType::kInt, "5000",
     "After so many milliseconds a request that is not full is sent (at-least-once)."},
    {"sink.fail-on-error", OptionType::kBool, "false",
     "Fail the job on the first record that the service refuses, rather than send it again."},
    {"sink.http-client.max-concurrency", OptionType::kInt, nullptr, "Not used."},
    {"sink.http-client.read-timeout", OptionType::kInt, nullptr,
     "The longest time of a request, in milliseconds."},
    {"sink.http-client.protocol.version", OptionType::kString, nullptr, "Not used: HTTP/1.1."},
    {"sink.parallelism", OptionType::kInt, nullptr, "Subtasks of the sink.", "", false, false,
     true},
};

// Values of enums come in any case.
std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Status Wrong(const std::string& option, const std::string& value, const std::string& expected) {
  return Status::User("Invalid value for option '" + option + "': " + value + ". Expected " +
                      expected + ".");
}

Status ReadStream(const Options& options, KinesisClientOptions* client) {
  const std::string arn = options.Find("stream.arn").value_or("");
  client->stream = options.Find("stream").value_or("");
  if (arn.empty() == client->stream.empty()) {
    return Status::User(
        arn.empty() ? "One or more required options are missing.\n\nMissing required options "
                      "are:\n\nstream.arn"
                    : "Options 'stream.arn' and 'stream' exclude each other: give one");
  }
  std::string region;
  if (!arn.empty()) {
    // arn:aws:kinesis:us-east-1:000000000000:stream/name
    size_t colons[5];
    size_t at = 0;
    for (size_t& colon : colons) {
      colon = arn.find(':', at);
      if (colon == std::string::npos) break;
      at = colon + 1;
    }
    constexpr std::string_view kStream = "stream/";
    if (colons[4] == std::string::npos || !arn.starts_with("arn:") ||
        arn.substr(colons[1] + 1, colons[2] - colons[1] - 1) != "kinesis" ||
        arn.compare(at, kStream.size(), kStream) != 0 || at + kStream.size() == arn.size()) {
      return Wrong("stream.arn", arn, "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME");
    }
    region = arn.substr(colons[2] + 1, colons[3] - colons[2] - 1);
    client->stream = arn.substr(at + kStream.size());
    client->stream_arn = arn;
  }
  if (const auto given = options.Find("aws.region")) region = *given;
  if (region.empty()) region = FromEnvironment("AWS_REGION");
  if (region.empty()) region = FromEnvironment("AWS_DEFAULT_REGION");
  client->region = region.empty() ? "us-east-1" : region;
  const auto endpoint = options.Find("aws.endpoint");
  if (!endpoint.has_value()) {
    return Status::User(
        "Option 'aws.endpoint' is missing. Without it the endpoint is https://kinesis." +
        client->region +
        ".amazonaws.com, and TLS is not supported yet: name a service that speaks "
        "HTTP, for example 'aws.endpoint' = 'http://127.0.0.1:4567'");
  }
  Result<runtime::HttpEndpoint> parsed = runtime::HttpEndpoint::Parse(*endpoint);
  if (!parsed.ok()) {
    return Wrong("aws.endpoint", *endpoint, "http://HOST:PORT (TLS is not supported yet)");
  }
  client->endpoint = *parsed;
  return Status::Ok();
}

Status ReadCredentials(const Options& options, KinesisClientOptions* client) {
  const std::string provider = Upper(options.String("aws.credentials.provider"));
  runtime::AwsCredentials basic{options.Find("aws.credentials.basic.accesskeyid").value_or(""),
                                options.Find("aws.credentials.basic.secretkey").value_or(""),
                                options.Find("aws.credentials.basic.sessiontoken").value_or("")};
  if (basic.access_key_id.empty() != basic.secret_access_key.empty()) {
    return Status::User(
        "Options 'aws.credentials.basic.accesskeyid' and 'aws.credentials.basic.secretkey' need "
        "each "
        "other: one is missing");
  }
  runtime::AwsCredentials environment{FromEnvironment("AWS_ACCESS_KEY_ID"),
                                      FromEnvironment("AWS_SECRET_ACCESS_KEY"),
                                      FromEnvironment("AWS_SESSION_TOKEN")};
  const bool has_environment =
      !environment.access_key_id.empty() && !environment.secret_access_key.empty();
  if (provider == "BASIC") {
    if (basic.access_key_id.empty()) {
      return Status::User(
          "Option 'aws.credentials.provider' is BASIC, but 'aws.credentials.basic.accesskeyid' and "
          "'aws.credentials.basic.secretkey' are missing");
    }
    client->credentials = std::move(basic);
  } else if (provider == "ENV_VAR") {
    if (!has_environment) {
      return Status::User(
          "Option 'aws.credentials.provider' is ENV_VAR, but AWS_ACCESS_KEY_ID and "
          "AWS_SECRET_ACCESS_KEY are not set");
    }
    client->credentials = std::move(environment);
  } else if (provider == "AUTO") {
    if (!basic.access_key_id.empty()) {
      client->credentials = std::move(basic);
    } else if (has_environment) {
      client->credentials = std::move(environment);
    }
  } else {
    return Status::User("Option 'aws.credentials.provider' = '" + provider +
                        "' is not supported yet: take BASIC, ENV_VAR or AUTO");
  }
  return Status::Ok();
}

Result<int64_t> ReadTimestamp(const Options& options) {
  std::string option = "source.init.timestamp";
  auto text = options.Find(option);
  std::string format = options.String("source.init.timestamp.format");
  if (!text.has_value()) {
    option = "scan.stream.initpos-timestamp";
    text = options.Find(option);
    format = options.Find("scan.stream.initpos-timestamp-format").value_or(format);
  }
  if (!text.has_value()) {
    return Status::User(
        "Option 'source.init.position' is AT_TIMESTAMP, but 'source.init.timestamp' is missing");
  }
  double seconds = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, seconds);
  if (error == std::errc() && stop == end) {
    if (seconds < 0) return Wrong(option, *text, "a time that is not before 1970");
    return std::llround(seconds * 1000);
  }
  runtime::TimestampNanos time;
  bool has_offset = false;
  if (format != kDefaultTimestampFormat) {
    return Status::User("Option 'source.init.timestamp.format' = '" + format +
                        "' is not supported yet: write the timestamp as " +
                        kDefaultTimestampFormat + ", or as seconds since the epoch");
  }
  if (!runtime::ParseIsoTimestamp(*text, 3, &time, &has_offset) || !has_offset) {
    return Wrong(option, *text,
                 "a time such as 2013-01-01T00:00:00.000Z or seconds since the epoch");
  }
  return time.ms;
}

Status ReadSource(const Options& options, KinesisSourceSettings* source) {
  std::string position = options.String("source.init.position");
  if (!options.Has("source.init.position")) {
    position = options.Find("scan.stream.initpos").value_or(position);
  }
  position = Upper(position);
  source->position = position == "LATEST"         ? InitialPosition::kLatest
                     : position == "TRIM_HORIZON" ? InitialPosition::kTrimHorizon
                                                  : InitialPosition::kAtTimestamp;
  if (source->position == InitialPosition::kAtTimestamp) {
    ASSIGN_OR_RETURN(source->timestamp_ms, ReadTimestamp(options));
  }
  if (Upper(options.String("source.reader.type")) == "EFO") {
    return Status::User(
        "Option 'source.reader.type' = 'EFO' (enhanced fan-out) is not supported yet: take "
        "POLLING");
  }
  source->bounded = Upper(options.String("scan.bounded.mode")) == "LATEST-OFFSET";
  if (source->bounded && source->position == InitialPosition::kLatest) {
    return Status::User(
        "Option 'scan.bounded.mode' = 'latest-offset' with 'source.init.position' = 'LATEST' reads "
        "nothing: begin at TRIM_HORIZON or AT_TIMESTAMP");
  }
  source->discovery_interval_ms = options.Has("scan.shard.discovery.intervalmillis")
                                      ? options.Int("scan.shard.discovery.intervalmillis")
                                      : options.DurationMs("source.shard.discovery.interval");
  source->records_max = options.Has("scan.shard.getrecords.maxrecordcount")
                            ? options.Int("scan.shard.getrecords.maxrecordcount")
                            : options.Int("source.shard.get-records.max-record-count");
  if (source->records_max < 1 || source->records_max > 10000) {
    return Wrong("source.shard.get-records.max-record-count", std::to_string(source->records_max),
                 "1 to 10000");
  }
  source->fetch_interval_ms =
      options.Has("source.reader.nonempty-records-fetch-interval")
          ? options.DurationMs("source.reader.nonempty-records-fetch-interval")
      : options.Has("scan.shard.getrecords.intervalmillis")
          ? options.Int("scan.shard.getrecords.intervalmillis")
          : options.DurationMs("source.shard.get-records.interval");
  source->idle_interval_ms =
      options.Has("source.reader.empty-records-fetch-interval")
          ? options.DurationMs("source.reader.empty-records-fetch-interval")
          : options.DurationMs("source.shard.get-records.idle-source-interval");
  source->idle_interval_ms = std::max<int64_t>(source->idle_interval_ms, 1);
  source->prefetch_bytes = options.MemoryBytes("source.reader.prefetch-size");
  return Status::Ok();
}

Status ReadSink(const Options& options, const runtime::TableSpec& table,
                KinesisSinkSettings* sink) {
  const auto guarantee = options.Find("sink.delivery-guarantee");
  if (guarantee.has_value()) {
    sink->guarantee = Upper(*guarantee) == "EXACTLY-ONCE" ? SinkGuarantee::kExactlyOnce
                                                          : SinkGuarantee::kAtLeastOnce;
  }
  const auto partitioner = options.Find("sink.partitioner");
  if (!table.partition_keys.empty()) {
    if (partitioner.has_value()) {
      return Status::User(
          "Cannot set 'sink.partitioner' option for a table defined with a PARTITIONED BY clause: "
          "its columns make the partition key");
    }
    sink->partitioner = SinkPartitioner::kFields;
  } else if (Upper(partitioner.value_or("")) == "FIXED") {
    sink->partitioner = SinkPartitioner::kFixed;
  }
  sink->field_delimiter = options.String("sink.partitioner-field-delimiter");
  const auto between = [&](const char* option, int64_t least, int64_t most) -> Result<size_t> {
    const int64_t value = options.Int(option);
    if (value < least || value > most) {
      return Wrong(option, std::to_string(value),
                   std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<size_t>(value);
  };
  ASSIGN_OR_RETURN(sink->request_records_max, between("sink.batch.max-size", 1, 500));
  ASSIGN_OR_RETURN(sink->request_bytes_max, between("sink.flush-buffer.size", 1, 5 << 20));
  ASSIGN_OR_RETURN(sink->buffered_records_max,
                   between("sink.requests.max-buffered", 1, INT64_C(1) << 40));
  sink->flush_timeout_ms = options.Int("sink.flush-buffer.timeout");
  sink->fail_on_error = options.Bool("sink.fail-on-error");
  return Status::Ok();
}

}  // namespace

runtime::OptionTable KinesisOptions() { return kOptions; }

Result<KinesisSettings> ReadKinesisSettings(const runtime::TableSpec& table) {
  ASSIGN_OR_RETURN(const Options options,
                   Options::Parse(kOptions, ConnectorOptions(table.options)));
  KinesisSettings settings;
  settings.format = options.String("format");
  RETURN_IF_ERROR(ReadStream(options, &settings.client));
  RETURN_IF_ERROR(ReadCredentials(options, &settings.client));
  settings.client.retry_timeout_ms = options.DurationMs("aws.retry-timeout");
  if (options.Has("sink.http-client.read-timeout")) {
    settings.client.request_timeout_ms = options.Int("sink.http-client.read-timeout");
  }
  RETURN_IF_ERROR(ReadSource(options, &settings.source));
  RETURN_IF_ERROR(ReadSink(options, table, &settings.sink));
  return settings;
}

}  // namespace millrace::connectors
