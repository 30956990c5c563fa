// Package stack gets the real parts of a local cluster: Kafka with MirrorMaker 2
// and the schema registry from the Java registry, a JDK and redis-server from
// the machine. Versions and checksums are pinned here; parts are kept outside
// the repository and a half-downloaded set is never used.
//
//	<user cache>/geokv/stack/<version>/
//	    libs/*.jar      Kafka, MirrorMaker 2 and what they need
//	    registry/       the unpacked schema registry
//	    redis/          redis-server, only when the machine has none
//	    classes/        archives of loaded classes, made by a trial run
//	    complete.json   every file with size and checksum; written last
package stack

import (
	"os"
	"path/filepath"

	"github.com/geokv/geokv/internal/fail"
)

// The pinned versions. MirrorMaker before 4.2 (4.1.2, 4.0.2, 3.9.2) can write a
// batch to the wrong topic, see package mm2.
const (
	KafkaVersion    = "4.3.1"
	RegistryVersion = "3.0.9"
	leastJava       = 17
	leastRedis      = 7
)

// layout changes when the directory's contents are arranged differently.
const layout = "1"

// Version names a set of parts.
func Version() string {
	return "kafka-" + KafkaVersion + "-registry-" + RegistryVersion + "-" + layout
}

// Parts are complete parts, ready to run.
type Parts struct {
	Dir      string // of the set
	Java     string // path of the java command
	Libs     string // classpath of Kafka and MirrorMaker: <dir>/libs/*
	Registry string // directory of the schema registry
	Runner   string // its jar
	Redis    string // path of redis-server
}

// Archive is where the loaded classes of one kind of process (kafka, mirror,
// registry) are kept, with which it starts in two thirds of the time; bootstrap
// is the metadata that every new broker begins with. None need exist.
func (p Parts) Archive(kind string) string { return filepath.Join(p.Dir, archiveDir, kind+".jsa") }

// Archived reports whether the archives of all kinds are there.
func (p Parts) Archived() bool {
	for _, kind := range []string{"kafka", "mirror", "registry", "bootstrap"} {
		if !exists(p.Archive(kind)) {
			return false
		}
	}
	return true
}

// DefaultDir is where the current set is kept: below the user's cache
// directory, or where GEOKV_STACK says. getenv is os.Getenv.
func DefaultDir(getenv func(string) string) (string, error) {
	if dir := getenv("GEOKV_STACK"); dir != "" {
		return filepath.Join(dir, Version()), nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fail.Wrap(fail.Usage, err, "find the user's cache directory").WithHint("name a directory with GEOKV_STACK")
	}
	return filepath.Join(base, "geokv", "stack", Version()), nil
}

// Open finds every part. It compares the sizes of all files, which notices
// whatever was cut short; Examine also compares their checksums. The error is a
// *fail.Error with code UNAVAILABLE that says what to install or fetch.
func Open(dir string) (Parts, error) {
	java, err := findJava(os.Getenv)
	if err != nil {
		return Parts{}, err
	}
	if err := readReceipt(dir).checkSizes(dir); err != nil {
		return Parts{}, fail.Wrap(fail.Unavailable, err, "use the parts in %s", dir).
			WithHint("geokv stack fetch")
	}
	redis, err := findRedis(dir)
	if err != nil {
		return Parts{}, err
	}
	registry := filepath.Join(dir, registryDir)
	return Parts{
		Dir: dir, Java: java.path, Libs: filepath.Join(dir, libsDir, "*"),
		Registry: registry, Runner: filepath.Join(registry, registryRunner),
		Redis: redis.path,
	}, nil
}

// State is what is known of a part.
type State string

// The states.
const (
	OK      State = "ok"
	Missing State = "missing"
	Damaged State = "damaged"
	TooOld  State = "too old"
)

// Part is one line of a Report.
type Part struct {
	Name    string `json:"name"` // java, kafka, registry, redis
	Version string `json:"version,omitempty"`
	State   State  `json:"state"`
	Path    string `json:"path,omitempty"`
	Detail  string `json:"detail,omitempty"` // what is wrong
	Hint    string `json:"hint,omitempty"`   // what helps
}

// Report says whether a set of parts can be run.
type Report struct {
	Dir      string `json:"dir"`
	Version  string `json:"version"`
	Complete bool   `json:"complete"`
	Parts    []Part `json:"parts"`
}

// Examine looks at every part and compares every checksum.
func Examine(dir string) Report {
	r := Report{Dir: dir, Version: Version(), Parts: []Part{examineJava(), examineFiles(dir, "kafka", KafkaVersion, libsDir),
		examineFiles(dir, "registry", RegistryVersion, registryDir), examineRedis(dir)}}
	r.Complete = true
	for _, p := range r.Parts {
		r.Complete = r.Complete && p.State == OK
	}
	return r
}

func examineFiles(dir, name, version, sub string) Part {
	p := Part{Name: name, Version: version, State: OK, Path: filepath.Join(dir, sub)}
	switch err := readReceipt(dir).checkSums(dir, sub); {
	case err == nil:
		return p
	case isMissing(dir, sub):
		p.State, p.Detail = Missing, "not fetched"
	default:
		p.State, p.Detail = Damaged, err.Error()
	}
	p.Hint = "geokv stack fetch"
	return p
}

func isMissing(dir, sub string) bool {
	_, err := os.Stat(filepath.Join(dir, sub))
	return err != nil
}

func partOf(name string, found program, err error) Part {
	if err == nil {
		return Part{Name: name, Version: found.version, State: OK, Path: found.path}
	}
	state := Missing
	if found.path != "" {
		state = TooOld
	}
	return Part{Name: name, Version: found.version, State: state, Path: found.path, Detail: err.Error(), Hint: fail.HintOf(err)}
}

func examineJava() Part {
	found, err := findJava(os.Getenv)
	return partOf("java", found, err)
}

func examineRedis(dir string) Part {
	found, err := findRedis(dir)
	return partOf("redis", found, err)
}
