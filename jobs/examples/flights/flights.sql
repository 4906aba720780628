-- Flights that left New York's airports: delays by the hour, and every long delay, from a stream.
-- The demo puts in the address of the log and the folder of the files.

SET 'execution.checkpointing.interval' = '1 s';

CREATE TABLE flights (
  sched     TIMESTAMP(3),          -- scheduled departure, local time
  origin    STRING,
  dest      STRING,
  carrier   STRING,
  flight    INT,
  tailnum   STRING,
  dep_delay INT,                   -- minutes; NULL: cancelled
  distance  INT,
  WATERMARK FOR sched AS sched - INTERVAL '1' HOUR
) WITH (
  'connector' = 'kinesis',
  'stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/flights',
  'aws.region' = 'us-east-1',
  'aws.endpoint' = 'http://127.0.0.1:4567',
  'source.init.position' = 'TRIM_HORIZON',
  'scan.watermark.idle-timeout' = '5 s',
  'format' = 'json'
);

CREATE TABLE delays (
  origin       STRING,
  carrier      STRING,
  window_start TIMESTAMP(3),
  flights      BIGINT,
  avg_delay    DOUBLE,             -- of those that left
  max_delay    INT,
  late_share   DOUBLE              -- more than 15 minutes late
) PARTITIONED BY (origin) WITH (
  'connector' = 'kinesis',
  'stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/delays',
  'aws.region' = 'us-east-1',
  'aws.endpoint' = 'http://127.0.0.1:4567',
  'format' = 'json'
);

CREATE TABLE long_delays (
  sched     TIMESTAMP(3),
  origin    STRING,
  dest      STRING,
  carrier   STRING,
  flight    INT,
  dep_delay INT,
  `day`     STRING
) PARTITIONED BY (`day`) WITH (
  'connector' = 'filesystem',
  'path' = '/tmp/millrace-demo/long_delays',
  'format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO delays
SELECT origin, carrier, window_start,
       COUNT(*),
       AVG(CAST(dep_delay AS DOUBLE)),
       MAX(dep_delay),
       CAST(COUNT(*) FILTER (WHERE dep_delay > 15) AS DOUBLE) / COUNT(*)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(sched), INTERVAL '1' HOUR))
GROUP BY origin, carrier, window_start, window_end;

INSERT INTO long_delays
SELECT sched, origin, dest, carrier, flight, dep_delay, DATE_FORMAT(sched, 'yyyy-MM-dd')
FROM flights
WHERE dep_delay > 120;

END;
