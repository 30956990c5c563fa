//go:build !unix

package e2e

// fileLimitVariable has no effect where processes have no file size limit.
const fileLimitVariable = "GEOKV_TEST_FILE_LIMIT"

func limitFiles(string) error { return nil }
