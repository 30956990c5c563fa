package memredis

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// virtual runs test against a server on the bubble's clock.
func virtual(t *testing.T, test func(t *testing.T, s *Server, c *redis.Client)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Start(Config{Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.SetReady(true)
		c := redis.NewClient(&redis.Options{
			Addr:     "127.0.0.1:1", // an address, so that nobody asks the resolver
			Dialer:   func(context.Context, string, string) (net.Conn, error) { return s.Dial() },
			Username: User, Password: secret, PoolSize: 2, MaxRetries: -1,
		})
		defer c.Close()
		test(t, s, c)
	})
}

func TestKeysExpireOnTime(t *testing.T) {
	virtual(t, func(t *testing.T, _ *Server, c *redis.Client) {
		ctx := t.Context()
		start := time.Now()
		time.Sleep(7 * time.Minute) // the clock of an idle server must not lag
		for i, set := range [][]any{
			{"SET", "k0", "v", "PX", 60_000},
			{"SET", "k1", "v", "EX", 60},
			{"SET", "k2", "v", "PXAT", time.Now().Add(time.Minute).UnixMilli()},
			{"SETEX", "k3", 60, "v"},
			{"EVAL", "return redis.call('SET', KEYS[1], 'v', 'PX', 60000)", 1, "k4"},
		} {
			if err := c.Do(ctx, set...).Err(); err != nil {
				t.Fatalf("k%d: %v", i, err)
			}
		}
		// A later, longer expiry must not shorten the others.
		time.Sleep(30 * time.Second)
		c.Set(ctx, "long", "v", time.Minute)
		for i := range 5 {
			key := fmt.Sprintf("k%d", i)
			if left := c.PTTL(ctx, key).Val(); left < 29*time.Second || left > 30*time.Second {
				t.Errorf("%s after half its life: PTTL %v, want 30s", key, left)
			}
			if at := c.PExpireTime(ctx, key).Val(); at != time.Duration(start.Add(8*time.Minute).UnixMilli())*time.Millisecond {
				t.Errorf("%s: PEXPIRETIME %v, want start + 8 min", key, at)
			}
		}
		time.Sleep(29*time.Second + 900*time.Millisecond)
		if n := c.Exists(ctx, "k0", "k1", "k2", "k3", "k4").Val(); n != 5 {
			t.Errorf("100 ms early: %d of 5 keys left", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := c.Exists(ctx, "k0", "k1", "k2", "k3", "k4").Val(); n != 0 {
			t.Errorf("100 ms late: %d of 5 keys still there", n)
		}
		if n := c.Exists(ctx, "long").Val(); n != 1 {
			t.Error("the longer expiry came early")
		}
		time.Sleep(30 * time.Second)
		if n := c.Exists(ctx, "long").Val(); n != 0 {
			t.Error("the longer expiry never came")
		}
	})
}

func TestNoTicksWithoutDeadlines(t *testing.T) {
	virtual(t, func(t *testing.T, s *Server, c *redis.Client) {
		c.Set(t.Context(), "k", "v", 0)
		if !s.clock.idle() {
			t.Error("the clock waits for a key that never expires")
		}
		c.Set(t.Context(), "k", "v", time.Second)
		if s.clock.idle() {
			t.Error("the clock does not wait for a key that expires")
		}
		time.Sleep(2 * time.Second)
		if !s.clock.idle() {
			t.Error("the clock still waits after the last expiry")
		}
	})
}

func TestBlockedReadInVirtualTime(t *testing.T) {
	virtual(t, func(t *testing.T, _ *Server, c *redis.Client) {
		began := time.Now()
		err := c.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"none", "$"}, Block: time.Second}).Err()
		if took := time.Since(began); err != redis.Nil || took != time.Second {
			t.Errorf("XREAD BLOCK 1000: %v after %v", err, took)
		}
	})
}
