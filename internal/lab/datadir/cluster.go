package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/geokv/geokv/internal/fail"
)

// Cluster is cluster.json: how to reach a running local cluster.
type Cluster struct {
	Owner
	API      string   `json:"api"` // http://host:port
	Registry string   `json:"registry"`
	Regions  []Region `json:"regions"` // in index order
}

// Region is one region's addresses. RedisURL has geokv's own credentials, Redis
// is what others connect to.
type Region struct {
	Name     string   `json:"name"`
	Index    int      `json:"index"`
	Kafka    []string `json:"kafka"`
	Redis    string   `json:"redis"`
	RedisURL string   `json:"redis_url"`
}

// Publish writes cluster.json; pid and start are those of this process. Call it
// when everything at the addresses answers.
func (d *Dir) Publish(c Cluster) error {
	owner, err := readOwner(d.path)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "read %s", filepath.Join(d.path, ownerFile))
	}
	c.Owner = owner
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("describe the cluster: %w", err)
	}
	return d.write(clusterFile, append(text, '\n'))
}

// Retract removes cluster.json.
func (d *Dir) Retract() error {
	err := os.Remove(filepath.Join(d.path, clusterFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail.Wrap(fail.Unavailable, err, "remove %s", clusterFile)
	}
	return nil
}

// Find returns the cluster that runs in a directory and its token. Errors are
// *fail.Error: UNAVAILABLE when none runs there (also when one ended without
// removing cluster.json) or when it is still starting, NOT_ALLOWED when the
// directory is another user's or others could write to it.
func Find(path string) (Cluster, string, error) {
	switch err := checkOurs(path); {
	case errors.Is(err, fs.ErrNotExist), err == nil && !held(path):
		return Cluster{}, "", fail.New(fail.Unavailable, "find a running cluster in %s: none runs there", path).
			WithHint("start one with geokv up, or name an external one with --config")
	case err != nil:
		return Cluster{}, "", err
	}
	c, err := readCluster(path)
	if err != nil {
		return Cluster{}, "", err
	}
	token, err := readToken(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, "", nil // a cluster without writes over HTTP
	case errors.Is(err, fs.ErrPermission):
		return Cluster{}, "", fail.Wrap(fail.NotAllowed, err, "read the token in %s", path).
			WithHint("the cluster belongs to another user")
	}
	return c, token, err
}

func readCluster(path string) (Cluster, error) {
	var c Cluster
	name := filepath.Join(path, clusterFile)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, fail.New(fail.Unavailable, "find a running cluster in %s: it is still starting", path).
			WithHint("try again in a moment")
	case errors.Is(err, fs.ErrPermission):
		return c, fail.Wrap(fail.NotAllowed, err, "read %s", name).WithHint("the cluster belongs to another user")
	case err != nil:
		return c, fail.Wrap(fail.Unavailable, err, "read %s", name)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fail.Wrap(fail.Rejected, err, "read %s", name).
			WithHint("the file is damaged: stop and start the cluster")
	}
	return c, nil
}

// held reports whether a process holds the directory. The lock decides, not the
// pid in a file: after a crash another process may have that pid.
func held(path string) bool {
	name := filepath.Join(path, lockFile)
	if _, err := os.Stat(name); err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	f, err := lock(name, false)
	if err != nil {
		return true // locked, or another user's: reading cluster.json tells
	}
	f.Close()
	return false
}
