package wal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
)

// explain turns an error of the client into one a user can act on; doing is
// what was tried ("reach kafka"). nil and ErrClosed pass through.
func (l *Log) explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, kgo.ErrClientClosed) {
		return ErrClosed
	}
	var known *fail.Error
	if errors.As(err, &known) {
		return err
	}
	return l.cfg.diagnose(err, doing)
}

// diagnose names the cause and the remedy. The order matters: a certificate
// problem arrives wrapped in a network error.
func (cfg *Config) diagnose(err error, doing string) *fail.Error {
	at := doing + " at " + strings.Join(cfg.Brokers, ",")
	var (
		unknownCA x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		notTLS    tls.RecordHeaderError
		alert     tls.AlertError
		firstEOF  *kgo.ErrFirstReadEOF
		dns       *net.DNSError
	)
	switch {
	case errors.As(err, &unknownCA):
		return fail.New(fail.Unavailable, "%s: the broker's certificate is signed by an unknown authority", at).
			WithHint("set kafka.tls.ca_file to the certificate of the authority that signed it")
	case errors.As(err, &hostname):
		return fail.Wrap(fail.Unavailable, err, "%s: the broker's certificate is for another host", at).
			WithHint("use a broker address that the certificate names, or set kafka.tls.server_name")
	case errors.As(err, &invalid):
		return fail.Wrap(fail.Unavailable, err, "%s: the broker's certificate is not valid", at).
			WithHint("renew the certificate; check the clocks of both sides")
	case errors.As(err, &notTLS):
		return fail.New(fail.Unavailable, "%s: the broker does not speak TLS on this port", at).
			WithHint("use the broker's TLS port, or remove kafka.tls")
	case errors.As(err, &alert):
		return fail.Wrap(fail.NotAllowed, err, "%s: the broker refused the TLS handshake", at).
			WithHint("the broker may want a client certificate: set kafka.tls.cert_file and kafka.tls.key_file")
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fail.New(fail.NotAllowed, "%s: the broker refused %s", at, cfg.SASL).
			WithHint("check kafka.sasl user, password and mechanism")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fail.New(fail.NotAllowed, "%s: the broker does not offer this SASL mechanism", at).
			WithHint("set kafka.sasl.mechanism to one the broker offers (%s, %s, %s)", Plain, ScramSHA256, ScramSHA512)
	case errors.As(err, &firstEOF):
		return cfg.diagnoseHangup(at)
	case isPermission(err):
		return fail.Wrap(fail.NotAllowed, err, "%s: permission denied", at).
			WithHint("grant the principal the ACLs listed in docs/operations.md")
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fail.Wrap(fail.NotFound, err, "%s", at).
			WithHint("run geokv doctor: it names missing topics")
	case errors.Is(err, context.Canceled):
		return fail.Wrap(fail.Timeout, err, "%s", at)
	case errors.As(err, &dns):
		return fail.Wrap(fail.Unavailable, err, "%s: the host name does not resolve", at).
			WithHint("check kafka.brokers")
	default:
		return fail.Wrap(fail.Unavailable, err, "%s", at).
			WithHint("check that the brokers run and that kafka.brokers names them; geokv doctor tests each")
	}
}

// diagnoseHangup explains a broker that closes the connection without a word:
// that is how Kafka answers plain text on a TLS port and requests without SASL.
func (cfg *Config) diagnoseHangup(at string) *fail.Error {
	switch {
	case cfg.TLS == nil && cfg.SASL == nil:
		return fail.New(fail.NotAllowed, "%s: the broker closed the connection at once; it wants TLS or a login", at).
			WithHint("set kafka.tls, or kafka.sasl, as the broker's listener requires")
	case cfg.TLS == nil:
		return fail.New(fail.NotAllowed, "%s: the broker closed the connection at once; it wants TLS", at).
			WithHint("set kafka.tls")
	case cfg.SASL == nil:
		return fail.New(fail.NotAllowed, "%s: the broker closed the connection at once; it wants a login", at).
			WithHint("set kafka.sasl")
	default:
		return fail.New(fail.Unavailable, "%s: the broker closed the connection at once", at).
			WithHint("check kafka.tls and kafka.sasl against the broker's listener")
	}
}

func isPermission(err error) bool {
	for _, e := range []error{
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isRefusedLogin reports errors that only a change of configuration ends.
func isRefusedLogin(err error) bool {
	return isPermission(err) || errors.Is(err, kerr.SaslAuthenticationFailed) ||
		errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState)
}
