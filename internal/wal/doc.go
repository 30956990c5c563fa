// Package wal is Kafka as a write-ahead log: append records in order with an
// honest outcome, read them from a position the caller keeps, and refuse topics
// whose settings would lose data.
//
// Three rules shape it. An append ends in one of three ways, never two: the
// record is durable, it is certainly not in the log, or nobody knows. A reader
// never jumps: an offset that is gone, a truncated log or a re-created topic
// stops the partition with a *DataLossError. And positions come from outside
// (they live in Redis next to the data); what is committed to Kafka is for lag
// tools only and is never read back.
//
// It is the only package that knows the Kafka client.
package wal
