package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	kmaps "github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"

	"github.com/geokv/geokv/internal/fail"
)

// Options says where values come from. Nothing is taken from the process by
// itself.
type Options struct {
	Path    string   // --config; "" looks the file up
	Dir     string   // working directory; "" looks nowhere above
	UserDir string   // the user's configuration directory (os.UserConfigDir)
	Environ []string // "NAME=value", as os.Environ gives it
	Others  []string // GEOKV_ variables that mean something else than a setting
	Hidden  []string // as Others, but never suggested for another name
	Flags   []Flag
}

// Flag is a command-line flag that sets a key.
type Flag struct {
	Name  string // as typed: "--http"
	Key   string // "http.listen"
	Value string // lists are comma-separated
}

// Config is what Load found.
type Config struct {
	Cluster
	File     string // "" without one
	Settings []Setting
	Unknown  []string // a line for each GEOKV_ variable that nothing reads
}

// Setting is one value that is set, for `config show`.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // secrets hidden
	Origin string `json:"origin"` // "default", "file geokv.yaml", "env GEOKV_X", "flag --x"

	Problem string `json:"problem,omitempty"` // what is wrong with it
}

// Load reads default < file < environment < flags and validates the result.
// Without a file it returns the defaults with no regions. Errors are
// *fail.Error with code USAGE and name the file (or variable) and the key; when
// single values are wrong, what is set is returned beside the error, each wrong
// one with its problem.
func Load(o Options) (*Config, error) {
	env := environment(o.Environ)
	path, err := Find(o.Path, env["GEOKV_CONFIG"], o.Dir, o.UserDir)
	if err != nil {
		return nil, err
	}
	l := &loader{env: env, dir: o.Dir, file: path, names: map[string]string{}}
	for _, name := range slices.Concat(o.Others, o.Hidden) {
		l.names[name] = ""
	}
	l.hidden = o.Hidden
	l.add("default", map[string]any{"http.listen": "127.0.0.1:0"})
	if err := l.addFile(path); err != nil {
		return nil, err
	}
	l.addEnvironment()
	l.addFlags(o.Flags)
	if err := l.failure(); err != nil {
		return l.found(), err
	}
	s, err := l.merge()
	if err != nil {
		return nil, err
	}
	cluster := l.resolve(s)
	l.problems = append(l.problems, cluster.problems()...)
	if err := l.failure(); err != nil {
		return l.found(), err
	}
	c := l.found()
	c.Cluster = cluster
	return c, nil
}

// found is what is set, without a cluster made of it.
func (l *loader) found() *Config {
	return &Config{File: l.file, Settings: l.settings(), Unknown: l.unknown}
}

// layer is one source's values by dotted path. It is a koanf.Provider.
type layer struct {
	origin string // may be refined per key by origins
	values map[string]any
}

func (l layer) Read() (map[string]any, error) { return kmaps.Unflatten(l.values, "."), nil }

func (l layer) ReadBytes() ([]byte, error) {
	return nil, fmt.Errorf("configuration layer %s has no bytes", l.origin)
}

// problem is one thing that is wrong with one key.
type problem struct{ key, text string }

type loader struct {
	env      map[string]string
	dir      string // what relative paths of environment and flags start from
	file     string
	layers   []layer
	origins  map[string]string // key -> where its value came from
	rank     map[string]int    // key -> index of that layer
	regions  []string
	problems []problem
	names    map[string]string // variables that are known -> key, "" when they set none
	hidden   []string          // of them, those that are nobody's advice
	unknown  []string          // a line for each other GEOKV_ variable
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

func (l *loader) add(origin string, values map[string]any) {
	if l.origins == nil {
		l.origins, l.rank = map[string]string{}, map[string]int{}
	}
	for key := range values {
		l.origins[key], l.rank[key] = origin, len(l.layers)
	}
	l.layers = append(l.layers, layer{origin, values})
}

func (l *loader) complain(key, format string, args ...any) {
	l.problems = append(l.problems, problem{key, fmt.Sprintf(format, args...)})
}

func (l *loader) addFile(path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read configuration")
	}
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "read configuration %s", path).WithHint("compare with examples/geokv.yaml")
	}
	values := map[string]any{}
	l.flatten(values, "", l.regionsByName(tree))
	l.add("file "+path, values)
	for key := range values {
		l.fileValue(values, key)
	}
	return nil
}

// fileValue applies the rules of the file alone: ${NAME} is replaced from the
// environment, paths start from the file's directory, secrets are not written out.
func (l *loader) fileValue(values map[string]any, key string) {
	leaf, _ := leafOf(key)
	text, isText := values[key].(string)
	if !isText {
		return
	}
	if leaf.is == "secret" && !onlyReference.MatchString(text) || leaf.is == "url" && urlPassword.MatchString(text) {
		l.complain(key, "a password in the file; use the key password_file or token_file beside it, ${NAME}, or the variable %s", envName(secretKey(key)))
		return
	}
	expanded := reference.ReplaceAllStringFunc(text, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := l.env[name]
		l.names[name] = ""
		if !ok {
			l.complain(key, "the environment variable %s is not set", name)
		}
		return value
	})
	if leaf.is == "file" && expanded != "" && !filepath.IsAbs(expanded) {
		expanded = filepath.Join(filepath.Dir(l.file), expanded)
	}
	values[key] = expanded
}

// addEnvironment takes GEOKV_<KEY>, with dots and dashes as underscores.
func (l *loader) addEnvironment() {
	l.nameRegions("GEOKV_REGIONS", l.env["GEOKV_REGIONS"], "env GEOKV_REGIONS")
	l.names["GEOKV_REGIONS"] = ""
	for _, leaf := range leaves() {
		for _, key := range l.concrete(leaf.path) {
			l.names[envName(key)] = key
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		key, known := l.names[name]
		switch {
		case known && key != "":
			l.addText("env "+name, name, key, l.env[name])
		case known || !strings.HasPrefix(name, "GEOKV_"):
		case ours(name):
			l.complain(name, "%s", l.unknownVariable(name))
		default:
			l.unknown = append(l.unknown, name+": "+l.unknownVariable(name))
		}
	}
}

func (l *loader) unknownVariable(name string) string {
	offered := slices.DeleteFunc(slices.Sorted(maps.Keys(l.names)), func(known string) bool { return slices.Contains(l.hidden, known) })
	return "unknown variable" + suggestion(name, offered)
}

// ours reports whether the variable can only be meant as a setting, and is
// refused as an unknown key of the file is. Another unknown GEOKV_ name may be
// somebody else's, and is only told.
func ours(name string) bool {
	return strings.HasPrefix(name, "GEOKV_REGIONS_") || strings.HasPrefix(name, "GEOKV_REGISTRY_") || strings.HasPrefix(name, "GEOKV_HTTP_")
}

func (l *loader) addFlags(flags []Flag) {
	for _, f := range flags {
		if f.Key == "regions" {
			l.nameRegions(f.Name, f.Value, "flag "+f.Name)
			continue
		}
		leaf, ok := leafOf(f.Key)
		if !ok || leaf.is == "secret" {
			l.complain(f.Name, "a flag cannot set %s", f.Key)
			continue
		}
		l.addText("flag "+f.Name, f.Name, f.Key, f.Value)
	}
}

// addText adds one value that came as text.
func (l *loader) addText(origin, name, key, text string) {
	leaf, _ := leafOf(key)
	value, err := parseText(leaf.kind, text)
	if err != nil {
		l.complain(name, "%v", err)
		return
	}
	l.add(origin, map[string]any{key: value})
}

// nameRegions takes "us,eu,ap": names in index order, for an embedded cluster
// or one that is described by the environment alone.
func (l *loader) nameRegions(name, list, origin string) {
	if list == "" {
		return
	}
	if len(l.regions) > 0 {
		l.complain(name, "the regions are already named by %s; remove one of the two", l.origins["regions."+l.regions[0]+".index"])
		return
	}
	values := map[string]any{}
	for i, region := range splitList(list) {
		values["regions."+region+".index"] = i
		l.regions = append(l.regions, region)
	}
	l.add(origin, values)
}

// concrete expands * to the regions that are named.
func (l *loader) concrete(path string) []string {
	if !strings.Contains(path, anyRegion) {
		return []string{path}
	}
	paths := make([]string, len(l.regions))
	for i, name := range l.regions {
		paths[i] = strings.Replace(path, anyRegion, name, 1)
	}
	return paths
}

func (l *loader) merge() (settings, error) {
	k := koanf.New(".")
	for _, layer := range l.layers {
		if err := k.Load(layer, nil); err != nil {
			return settings{}, fail.Wrap(fail.Internal, err, "merge configuration of %s", layer.origin)
		}
	}
	var s settings
	if err := k.Unmarshal("", &s); err != nil {
		return settings{}, fail.Wrap(fail.Usage, err, "read configuration %s", l.file)
	}
	return s, nil
}

// failure renders the problems as one error, nil when there are none.
func (l *loader) failure() error {
	if len(l.problems) == 0 {
		return nil
	}
	lines := make([]string, len(l.problems))
	for i, p := range l.problems {
		lines[i] = l.where(p.key) + p.text
	}
	slices.Sort(lines)
	return fail.New(fail.Usage, "configuration: %s", strings.Join(slices.Compact(lines), "\n  ")).
		WithHint("see examples/geokv.yaml; `geokv config show --origin` says where each value came from")
}

// where names the source of a key: its variable or flag, else the file.
func (l *loader) where(key string) string {
	origin := l.origins[key]
	switch {
	case strings.HasPrefix(key, "GEOKV_"), strings.HasPrefix(key, "--"):
		return key + ": "
	case strings.HasPrefix(origin, "env "), strings.HasPrefix(origin, "flag "):
		return origin + ": " + key + ": "
	case l.file != "":
		return l.file + ": " + key + ": "
	}
	return key + ": "
}

// settings lists what is set, in the order of the schema.
func (l *loader) settings() []Setting {
	var out []Setting
	for _, leaf := range leaves() {
		for _, key := range l.concrete(leaf.path) {
			rank, set := l.rank[key]
			if !set {
				continue
			}
			value := l.layers[rank].values[key]
			out = append(out, Setting{Key: key, Value: show(leaf, value), Origin: l.origins[key], Problem: l.problemOf(key)})
		}
	}
	return out
}

func (l *loader) problemOf(key string) string {
	var texts []string
	for _, p := range l.problems {
		if p.key == key {
			texts = append(texts, p.text)
		}
	}
	return strings.Join(texts, "; ")
}

func show(leaf leaf, value any) string {
	text := fmt.Sprint(value)
	if list, ok := value.([]string); ok {
		text = strings.Join(list, ",")
	}
	switch leaf.is {
	case "secret":
		return Secret(text).String()
	case "url":
		return URL(text).String()
	}
	return text
}
