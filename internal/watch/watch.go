// Package watch shows every event travelling through the regions: one observer
// per region reports when a record is on that region's Kafka (seen) and what
// applying it to that region's view did (applied), and a hub fans the reports
// out to any number of readers, who join them into one row per event (package
// timeline).
//
// Watching is best effort and never slows the data path down: a reader that is
// too slow loses the oldest observations and is told how many.
package watch
