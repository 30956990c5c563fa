package config

import (
	"reflect"
	"strings"
)

// settings is the shape of the configuration, as koanf fills it. The struct is
// the only list of keys: unknown keys, environment names, `config show` and the
// sample file are all checked against it.
//
// In the file, regions is a list of entries with a name; inside, it is a map by
// name, so that a key has one path wherever its value comes from.
type settings struct {
	Regions  map[string]regionSettings `koanf:"regions"`
	Registry registrySettings          `koanf:"registry"`
	HTTP     httpSettings              `koanf:"http"`
}

type regionSettings struct {
	Index int           `koanf:"index"`
	Kafka kafkaSettings `koanf:"kafka"`
	Redis redisSettings `koanf:"redis"`
}

type kafkaSettings struct {
	Brokers []string     `koanf:"brokers"`
	TLS     tlsSettings  `koanf:"tls"`
	SASL    saslSettings `koanf:"sasl"`
}

type tlsSettings struct {
	Enabled    bool   `koanf:"enabled"`
	CAFile     string `koanf:"ca_file" is:"file"`
	CertFile   string `koanf:"cert_file" is:"file"`
	KeyFile    string `koanf:"key_file" is:"file"`
	ServerName string `koanf:"server_name"`
}

type saslSettings struct {
	Mechanism    string `koanf:"mechanism"`
	User         string `koanf:"user"`
	Password     string `koanf:"password" is:"secret"`
	PasswordFile string `koanf:"password_file" is:"file"`
}

type redisSettings struct {
	URL          string      `koanf:"url" is:"url"`
	User         string      `koanf:"user"`
	Password     string      `koanf:"password" is:"secret"`
	PasswordFile string      `koanf:"password_file" is:"file"`
	TLS          tlsSettings `koanf:"tls"`
}

type registrySettings struct {
	URL          string      `koanf:"url" is:"url"`
	User         string      `koanf:"user"`
	Password     string      `koanf:"password" is:"secret"`
	PasswordFile string      `koanf:"password_file" is:"file"`
	TLS          tlsSettings `koanf:"tls"`
}

type httpSettings struct {
	Listen       string   `koanf:"listen"`
	Token        string   `koanf:"token" is:"secret"`
	TokenFile    string   `koanf:"token_file" is:"file"`
	AllowOrigins []string `koanf:"allow_origins"`
	AllowHosts   []string `koanf:"allow_hosts"`
}

// anyRegion stands for a region's name in the paths of the schema.
const anyRegion = "*"

// leaf is one setting of the schema.
type leaf struct {
	path string // dotted, with * for a region's name
	kind reflect.Kind
	is   string // file: a path, relative to the configuration; url; secret
}

// leaves lists every setting in the order of the struct.
func leaves() []leaf { return appendLeaves(nil, "", reflect.TypeFor[settings]()) }

func appendLeaves(out []leaf, prefix string, t reflect.Type) []leaf {
	for f := range t.Fields() {
		path, of := join(prefix, f.Tag.Get("koanf")), f.Type
		if of.Kind() == reflect.Map {
			path, of = join(path, anyRegion), of.Elem()
		}
		if of.Kind() == reflect.Struct {
			out = appendLeaves(out, path, of)
			continue
		}
		out = append(out, leaf{path: path, kind: of.Kind(), is: f.Tag.Get("is")})
	}
	return out
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// leafOf finds the setting a concrete path names.
func leafOf(path string) (leaf, bool) {
	want := generic(path)
	for _, l := range leaves() {
		if l.path == want {
			return l, true
		}
	}
	return leaf{}, false
}

// generic replaces the region's name in a path by *.
func generic(path string) string {
	parts := strings.SplitN(path, ".", 3)
	if len(parts) == 3 && parts[0] == "regions" {
		parts[1] = anyRegion
	}
	return strings.Join(parts, ".")
}

// nearest returns the candidate that most resembles word, "" when none does.
func nearest(word string, candidates []string) string {
	best, least := "", len(word)/2+1
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
