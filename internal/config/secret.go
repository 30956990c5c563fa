package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/geokv/geokv/internal/fail"
)

const hidden = "***"

// Secret is a value that no output shows: every way of printing it, JSON and
// structured logs included, gives "***". Reveal returns it.
type Secret string

// Reveal returns the value itself, for the library that logs in with it.
func (s Secret) Reveal() string { return string(s) }

// String hides the value; an empty secret prints as nothing, so that "not set"
// stays visible.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// LogValue hides the value from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is an address that may carry a password, which no output shows. Reveal
// returns it whole.
type URL string

// Reveal returns the address with its password.
func (u URL) Reveal() string { return string(u) }

// String renders the address with *** for its password.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return hidden // cannot tell where the password is
	}
	if _, has := parsed.User.Password(); !has {
		return string(u)
	}
	return parsed.Scheme + "://" + url.User(parsed.User.Username()).String() + ":" + hidden +
		"@" + parsed.Host + strings.TrimSuffix(parsed.RequestURI(), "/")
}

// GoString hides the password from %#v.
func (u URL) GoString() string { return fmt.Sprintf("%q", u.String()) }

// LogValue hides the password from log/slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides the password from encoders.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ReadSecretFile reads a token or password file: its content without the final
// line break. A file that everybody on the machine may read is refused.
func ReadSecretFile(path string) (Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fail.Wrap(fail.Usage, err, "read secret file").WithHint("create %s, or change the setting that names it", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		return "", fail.New(fail.Usage, "read secret file %s: everybody may read it (mode %04o)", path, info.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fail.Wrap(fail.Usage, err, "read secret file")
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fail.New(fail.Usage, "read secret file %s: it is empty", path)
	}
	return Secret(secret), nil
}
