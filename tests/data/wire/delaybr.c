/* delaybr - a wire with delay, loss, duplicates and reordering between two network namespaces, for kernels
 * without netem.
 *
 *   delaybr NETNS1 TAP1 NETNS2 TAP2 DELAY_US [LOSS_PERMILLE [SEED [DUPLICATES_PERMILLE [REORDERED_PERMILLE]]]]
 *
 * Opens tap device TAP1 in NETNS1 and TAP2 in NETNS2 (both made with "ip netns add" and "ip tuntap add"),
 * prints "ready", and carries frames both ways until it is killed. A frame leaves DELAY_US after it came in, one
 * that is reordered LATE_US later still: others overtake it. A duplicate leaves as late.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 2048, QUEUE_LENGTH = 8192, BURST = 64, LATE_US = 30000 };

struct faults {
	int loss, duplicates, reordered; /* permille */
};

struct frame {
	long long due; /* ns of CLOCK_MONOTONIC */
	ssize_t length; /* 0 when it has left */
	unsigned char bytes[FRAME_MAX];
};

/* One direction: frames read from tap `from` wait here until they may enter tap `to`. */
struct lane {
	int from, to;
	unsigned head, tail; /* head - tail frames wait; both run on for ever */
	struct frame *frames;
};

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int open_tap(const char *netns, const char *name)
{
	char path[PATH_MAX];
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	close(fd);
	/* The device lands in the namespace that the process is in when it opens it. */
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		err(1, "tap %s", name);
	return fd;
}

static int happens(int permille)
{
	return random() % 1000 < permille;
}

static void take_in(struct lane *lane, long long delay, const struct faults *faults)
{
	for (int n = 0; n < BURST && lane->head - lane->tail < QUEUE_LENGTH; n++) {
		struct frame *frame = &lane->frames[lane->head % QUEUE_LENGTH];

		frame->length = read(lane->from, frame->bytes, FRAME_MAX);
		if (frame->length <= 0)
			return;
		if (happens(faults->loss))
			continue;
		frame->due = now() + delay + (happens(faults->reordered) ? LATE_US * 1000LL : 0);
		lane->head++;
		if (happens(faults->duplicates) && lane->head - lane->tail < QUEUE_LENGTH) {
			struct frame *twin = &lane->frames[lane->head % QUEUE_LENGTH];

			*twin = *frame;
			twin->due = now() + delay + LATE_US * 1000LL;
			lane->head++;
		}
	}
}

/* Returns ns until the next frame is due, or -1 if none waits. */
static long long let_out(struct lane *lane, int in_order)
{
	long long next = -1;

	for (unsigned at = lane->tail; at != lane->head; at++) {
		struct frame *frame = &lane->frames[at % QUEUE_LENGTH];
		long long wait = frame->due - now();

		if (frame->length && wait <= 0) {
			if (write(lane->to, frame->bytes, frame->length) < 0 && errno == EAGAIN)
				return 100000;
			frame->length = 0;
		} else if (frame->length && (next < 0 || wait < next)) {
			next = wait;
			if (in_order)
				break;
		}
		if (!frame->length && at == lane->tail)
			lane->tail++;
	}
	return next;
}

int main(int argc, char **argv)
{
	struct lane lanes[2] = { 0 };
	long long delay;
	struct faults faults = { 0 };

	if (argc < 6)
		errx(2, "usage: delaybr NETNS1 TAP1 NETNS2 TAP2 DELAY_US "
			"[LOSS_PERMILLE [SEED [DUPLICATES_PERMILLE [REORDERED_PERMILLE]]]]");
	delay = atoll(argv[5]) * 1000;
	faults.loss = argc > 6 ? atoi(argv[6]) : 0;
	faults.duplicates = argc > 8 ? atoi(argv[8]) : 0;
	faults.reordered = argc > 9 ? atoi(argv[9]) : 0;
	srandom(argc > 7 ? (unsigned)atoi(argv[7]) : 1);
	lanes[0].from = lanes[1].to = open_tap(argv[1], argv[2]);
	lanes[1].from = lanes[0].to = open_tap(argv[3], argv[4]);
	for (int i = 0; i < 2; i++) {
		lanes[i].frames = calloc(QUEUE_LENGTH, sizeof *lanes[i].frames);
		if (!lanes[i].frames)
			err(1, "queue");
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd polls[2];
		struct timespec pause;
		long long next = -1;

		for (int i = 0; i < 2; i++) {
			long long wait = let_out(&lanes[i], !faults.duplicates && !faults.reordered);

			if (wait >= 0 && (next < 0 || wait < next))
				next = wait;
			/* A full lane leaves its frames in the device, whose queue then overflows. */
			polls[i] = (struct pollfd){ .fd = lanes[i].from };
			if (lanes[i].head - lanes[i].tail < QUEUE_LENGTH)
				polls[i].events = POLLIN;
		}
		pause = (struct timespec){ next / 1000000000, next % 1000000000 };
		ppoll(polls, 2, next < 0 ? NULL : &pause, NULL);
		for (int i = 0; i < 2; i++)
			if (polls[i].revents & POLLIN)
				take_in(&lanes[i], delay, &faults);
	}
}
