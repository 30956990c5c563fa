// Package compose is the cluster of real parts in containers: the compose file,
// MirrorMaker's generated properties, geokv's configuration and the image of
// geokv, embedded so that the one binary carries its lab.
package compose

import "embed"

// Files are compose.yaml and everything it mounts or builds from, by name.
//
//go:embed compose.yaml mm2.properties geokv.yaml local.yaml Dockerfile
var Files embed.FS
