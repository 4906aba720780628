#include "connectors/kinesis/kinesis_connector.h"

#include "connectors/kinesis/kinesis_options.h"
#include "connectors/kinesis/kinesis_sink.h"
#include "connectors/kinesis/kinesis_source.h"

namespace millrace::connectors {

runtime::ConnectorInfo MakeKinesisConnector() {
  runtime::ConnectorInfo info;
  info.name = "kinesis";
  info.options = KinesisOptions();
  info.abilities = {"projection", "metadata", "watermark", "partition"};
  info.readable_metadata = KinesisReadableMetadata();
  info.takes_format = true;
  info.make_source = MakeKinesisSource;
  info.make_sink = MakeKinesisSink;
  return info;
}

}  // namespace millrace::connectors
