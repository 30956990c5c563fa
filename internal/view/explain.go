package view

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"

	"github.com/redis/go-redis/v9"

	"github.com/geokv/geokv/internal/fail"
)

// ErrLoading says that the server reads its snapshot and answers later.
var ErrLoading = errors.New("it is loading its data")

// Explain turns an error of any method into one a user can act on. Code
// NotAllowed means that only other settings help; anything else may pass.
func (db *DB) Explain(err error) *fail.Error {
	at := "reach redis at " + redactURL(db.cfg.URL)
	var (
		known     *fail.Error
		unknownCA x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		notTLS    tls.RecordHeaderError
	)
	because := func(text string) *fail.Error { return fail.Wrap(fail.NotAllowed, errors.New(text), "%s", at) }
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &unknownCA):
		return because("its certificate is signed by an unknown authority").
			WithHint("set redis.tls.ca_file to the certificate of the authority that signed it")
	case errors.As(err, &hostname):
		return because("its certificate is for another host: " + hostname.Error()).
			WithHint("use an address that the certificate names, or set redis.tls.server_name")
	case errors.As(err, &invalid):
		return because("its certificate is not valid: " + invalid.Error()).
			WithHint("renew the certificate; check the clocks of both sides")
	case errors.As(err, &notTLS):
		return because("it does not speak TLS on this port").
			WithHint("use its TLS port, or redis:// in redis.url")
	case redis.HasErrorPrefix(err, "WRONGPASS"):
		return because("it refused the user or the password").WithHint("check redis.user and redis.password_file")
	case redis.HasErrorPrefix(err, "NOAUTH"):
		return because("it wants a login").WithHint("set redis.user and redis.password_file")
	case redis.HasErrorPrefix(err, "NOPERM"):
		return fail.Wrap(fail.NotAllowed, err, "%s", at).
			WithHint("let geokv's user run the command: ~* &* +@all -@admin is enough")
	case errors.Is(err, io.EOF) && db.cfg.TLS == nil && !encrypted(db.cfg.URL):
		return fail.Wrap(fail.Unavailable, err, "%s: it closed the connection; it may want TLS", at).
			WithHint("use rediss:// in redis.url when it listens with TLS")
	}
	return fail.Wrap(fail.Unavailable, err, "%s", at).
		WithHint("check that the server runs and that url and credentials are right")
}

func encrypted(url string) bool {
	o, err := redis.ParseURL(url)
	return err == nil && o.TLSConfig != nil
}
