#include "connectors/register.h"

#include "connectors/blackhole/blackhole_connector.h"
#include "connectors/datagen/datagen_connector.h"
#include "connectors/filesystem/file_system_connector.h"
#include "connectors/formats/format.h"
#include "connectors/kinesis/kinesis_connector.h"
#include "connectors/print/print_connector.h"
#include "connectors/values/values_connector.h"

namespace millrace::connectors {

void RegisterConnectors(runtime::Registry* registry) {
  registry->AddConnector(MakeBlackholeConnector());
  registry->AddConnector(MakeCollectConnector());
  registry->AddConnector(MakeDatagenConnector());
  registry->AddConnector(MakeFileSystemConnector());
  registry->AddConnector(MakeKinesisConnector());
  registry->AddConnector(MakePrintConnector());
  registry->AddConnector(MakeValuesConnector());
  for (runtime::FormatInfo format : Formats()) registry->AddFormat(std::move(format));
}

}  // namespace millrace::connectors
