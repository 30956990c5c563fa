package wal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/geokv/geokv/internal/fail"
)

// explain turns an error of the client into one a user can act on; doing is
// what was tried ("reach kafka"). nil passes through; after Close everything is
// ErrClosed.
func (l *Log) explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, kgo.ErrClientClosed) || l.isClosed() {
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
		handshake *handshakeError
		firstEOF  *kgo.ErrFirstReadEOF
		dns       *net.DNSError
	)
	switch {
	case errors.As(err, &unknownCA):
		return fail.New(fail.NotAllowed, "%s: the broker's certificate is signed by an unknown authority", at).
			WithHint("set kafka.tls.ca_file to the certificate of the authority that signed it")
	case errors.As(err, &hostname):
		return fail.Wrap(fail.NotAllowed, err, "%s: the broker's certificate is for another host", at).
			WithHint("use a broker address that the certificate names, or set kafka.tls.server_name")
	case errors.As(err, &invalid):
		return fail.Wrap(fail.NotAllowed, err, "%s: the broker's certificate is not valid", at).
			WithHint("renew the certificate; check the clocks of both sides")
	case tlsAlert(err) != nil:
		return fail.Wrap(fail.NotAllowed, tlsAlert(err), "%s: the broker refused the TLS handshake", at).
			WithHint("the broker may want a client certificate: set kafka.tls.cert_file and kafka.tls.key_file")
	case errors.As(err, &notTLS), errors.As(err, &handshake):
		return fail.New(fail.Unavailable, "%s: the broker does not speak TLS on this port", at).
			WithHint("use the broker's TLS port, or remove kafka.tls")
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fail.New(fail.NotAllowed, "%s: the broker refused %s", at, cfg.SASL).
			WithHint("check kafka.sasl user, password and mechanism")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fail.New(fail.NotAllowed, "%s: the broker does not offer this SASL mechanism", at).
			WithHint("set kafka.sasl.mechanism to one the broker offers (%s, %s, %s)", Plain, ScramSHA256, ScramSHA512)
	case errors.As(err, &firstEOF), isTLSAlert(err):
		return cfg.diagnoseHangup(at)
	case cfg.SASL != nil && errors.Is(err, io.EOF):
		return fail.New(fail.NotAllowed, "%s: the broker closed the connection during the login of %s", at, cfg.SASL).
			WithHint("check kafka.sasl user, password and mechanism")
	case isPermission(err):
		return fail.Wrap(fail.NotAllowed, err, "%s: permission denied", at).
			WithHint("let the principal read and describe every *.events topic and, where it bridges or materializes, write its own and geokv.dlq")
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fail.Wrap(fail.NotFound, err, "%s", at).
			WithHint("start geokv serve or geokv materialize for this region: they make the topics that are missing")
	case errors.Is(err, context.Canceled):
		return fail.Wrap(fail.Timeout, err, "%s", at)
	case errors.As(err, &dns):
		return fail.Wrap(fail.Unavailable, err, "%s: the host name does not resolve", at).
			WithHint("check kafka.brokers")
	default:
		return fail.Wrap(fail.Unavailable, err, "%s", at).
			WithHint("check that the brokers run and that kafka.brokers names them; geokv status shows which regions answer")
	}
}

// handshakeError marks errors of a TLS handshake that are not about certificates:
// a plain text port closes the connection, or says nothing.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// tlsAlert returns what the other side said when it ended a handshake, or nil.
// crypto/tls reports it as a network error of the operation "remote error".
func tlsAlert(err error) error {
	for {
		var op *net.OpError
		if !errors.As(err, &op) {
			return nil
		}
		if op.Op == "remote error" {
			return op.Err
		}
		err = op.Err
	}
}

// isTLSAlert reports that the broker answered plain text with a TLS alert. The
// client has no type for that, only these words.
func isTLSAlert(err error) bool {
	return strings.Contains(err.Error(), "appear to be a tls alert record")
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
