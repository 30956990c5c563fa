package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	reference     = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
	onlyReference = regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*\})?$`)
	urlPassword   = regexp.MustCompile(`://[^/?#]*:[^/?#@]*@`)
)

// regionsByName turns the file's list of regions into the map of the schema.
func (l *loader) regionsByName(tree map[string]any) map[string]any {
	raw, has := tree["regions"]
	if !has || raw == nil {
		return tree
	}
	list, ok := raw.([]any)
	if !ok {
		l.complain("regions", "want a list of regions, each with a name")
		tree = maps.Clone(tree)
		delete(tree, "regions")
		return tree
	}
	byName := map[string]any{}
	for i, item := range list {
		entry, _ := item.(map[string]any)
		name, _ := entry["name"].(string)
		switch {
		case entry == nil:
			l.complain(fmt.Sprintf("regions[%d]", i), "want a mapping with name, index, kafka and redis")
			continue
		case name == "" || strings.Contains(name, "."):
			l.complain(fmt.Sprintf("regions[%d].name", i), "want a name such as us, got %v", entry["name"])
			continue
		case byName[name] != nil:
			l.complain(fmt.Sprintf("regions[%d].name", i), "%s is named twice", name)
			continue
		}
		rest := maps.Clone(entry)
		delete(rest, "name")
		byName[name] = rest
		l.regions = append(l.regions, name)
		if _, has := rest["index"]; !has {
			l.complain("regions."+name+".index", "missing; number the regions 0, 1, 2, ... and never change a number once events exist")
		}
	}
	tree = maps.Clone(tree)
	tree["regions"] = byName
	return tree
}

// flatten checks a parsed file against the schema and collects its values by
// dotted path. A key that the schema does not have is a problem.
func (l *loader) flatten(out map[string]any, prefix string, tree map[string]any) {
	for key, value := range tree {
		path := join(prefix, key)
		leaf, isLeaf := leafOf(path)
		below, isMap := value.(map[string]any)
		switch on, isBool := value.(bool); {
		case !isLeaf && !isBranch(path):
			l.complain(path, "unknown key%s", suggestion(key, siblings(prefix)))
		case value == nil: // a key without a value is not set
		case isLeaf:
			parsed, err := parseYAML(leaf.kind, value)
			if err != nil {
				l.complain(path, "%v", err)
				continue
			}
			out[path] = parsed
		case isMap:
			l.flatten(out, path, below)
		case isBool && key == "tls":
			out[path+".enabled"] = on
		default:
			l.complain(path, "want a mapping with %s", strings.Join(siblings(path), ", "))
		}
	}
}

// parseText reads a value that came as text from a variable or a flag.
func parseText(kind reflect.Kind, text string) (any, error) {
	switch kind {
	case reflect.Slice:
		return splitList(text), nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("want true or false, got %q", text)
		}
		return b, nil
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("want a whole number, got %q", text)
		}
		return n, nil
	}
	return text, nil
}

// parseYAML reads a value that came from the file.
func parseYAML(kind reflect.Kind, value any) (any, error) {
	list, isList := value.([]any)
	switch {
	case kind == reflect.Slice && isList:
		out := make([]string, len(list))
		for i, item := range list {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("want a list of strings, item %d is %v", i+1, item)
			}
			out[i] = text
		}
		return out, nil
	case kind == reflect.Slice:
		return nil, fmt.Errorf("want a list, got %v", value)
	}
	switch v := value.(type) {
	case bool:
		if kind == reflect.Bool {
			return v, nil
		}
	case int:
		if kind == reflect.Int {
			return v, nil
		}
	case string:
		if kind == reflect.String {
			return v, nil
		}
	}
	wants := map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.String: "a string"}
	return nil, fmt.Errorf("want %s, got %v", wants[kind], value)
}

func splitList(text string) []string {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// isBranch reports whether settings lie below path.
func isBranch(path string) bool {
	parts := strings.Split(path, ".")
	if len(parts) == 2 && parts[0] == "regions" {
		return true
	}
	prefix := generic(path) + "."
	return slices.ContainsFunc(leaves(), func(l leaf) bool { return strings.HasPrefix(l.path, prefix) })
}

// siblings lists the keys that may stand below prefix.
func siblings(prefix string) []string {
	at := generic(prefix)
	if parts := strings.Split(prefix, "."); len(parts) == 2 && parts[0] == "regions" {
		at = "regions." + anyRegion
	}
	var out []string
	for _, l := range leaves() {
		rest := l.path
		if at != "" {
			var below bool
			if rest, below = strings.CutPrefix(l.path, at+"."); !below {
				continue
			}
		}
		key, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

// suggestion renders the hint that ends a message about an unknown name.
func suggestion(word string, candidates []string) string {
	if best := nearest(word, candidates); best != "" {
		return "; did you mean " + best + "?"
	}
	if len(candidates) > 12 {
		return ""
	}
	return "; known here: " + strings.Join(candidates, ", ")
}

// envName is the variable that sets a key.
func envName(key string) string {
	return "GEOKV_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// secretKey is the key that holds the password of the place a key is in.
func secretKey(key string) string {
	if parent, ok := strings.CutSuffix(key, ".url"); ok {
		return parent + ".password"
	}
	return key
}
