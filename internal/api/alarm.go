package api

// The codes of alarms. They are stable; docs/json.md says what each means and
// when it ends.
const (
	AlarmKafka           = "KAFKA"
	AlarmViewUnavailable = "VIEW_UNAVAILABLE"
	AlarmBlocked         = "BLOCKED"
	AlarmRepairBlocked   = "REPAIR_BLOCKED"
	AlarmDataLoss        = "DATA_LOSS"
	AlarmViewTorn        = "VIEW_TORN"
	AlarmViewRebuilt     = "VIEW_REBUILT"
	AlarmForeignKeys     = "FOREIGN_KEYS"
	AlarmClockAhead      = "CLOCK_AHEAD"
	AlarmClockOffset     = "CLOCK_OFFSET"
	AlarmClockUnchecked  = "CLOCK_UNCHECKED"
	AlarmSlotLease       = "SLOT_LEASE"
	AlarmViewUnreadable  = "VIEW_UNREADABLE"
	AlarmPartitions      = "PARTITIONS"
	AlarmRejected        = "REJECTED"
	AlarmRegionIndex     = "REGION_INDEX"
	AlarmLostAtOrigin    = "LOST_AT_ORIGIN"
)
