/* delaybr - a wire with delay and loss between two network namespaces, for kernels without netem.
 *
 *   delaybr NETNS1 TAP1 NETNS2 TAP2 DELAY_US [LOSS_PERMILLE [SEED]]
 *
 * Opens tap device TAP1 in NETNS1 and TAP2 in NETNS2 (both made with "ip netns add" and "ip tuntap add"),
 * prints "ready", and carries frames both ways until it is killed. A frame leaves DELAY_US after it came in.
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

enum { FRAME_MAX = 2048, QUEUE_LENGTH = 8192, BURST = 64 };

struct frame {
	long long due; /* ns of CLOCK_MONOTONIC */
	ssize_t length;
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

static void take_in(struct lane *lane, long long delay, int loss)
{
	for (int n = 0; n < BURST && lane->head - lane->tail < QUEUE_LENGTH; n++) {
		struct frame *frame = &lane->frames[lane->head % QUEUE_LENGTH];

		frame->length = read(lane->from, frame->bytes, FRAME_MAX);
		if (frame->length <= 0)
			return;
		if (random() % 1000 < loss)
			continue;
		frame->due = now() + delay;
		lane->head++;
	}
}

/* Returns ns until the next frame is due, or -1 if none waits. */
static long long let_out(struct lane *lane)
{
	while (lane->tail != lane->head) {
		struct frame *frame = &lane->frames[lane->tail % QUEUE_LENGTH];
		long long wait = frame->due - now();

		if (wait > 0)
			return wait;
		if (write(lane->to, frame->bytes, frame->length) < 0 && errno == EAGAIN)
			return 100000;
		lane->tail++;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct lane lanes[2] = { 0 };
	long long delay;
	int loss;

	if (argc < 6)
		errx(2, "usage: delaybr NETNS1 TAP1 NETNS2 TAP2 DELAY_US [LOSS_PERMILLE [SEED]]");
	delay = atoll(argv[5]) * 1000;
	loss = argc > 6 ? atoi(argv[6]) : 0;
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
			long long wait = let_out(&lanes[i]);

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
				take_in(&lanes[i], delay, loss);
	}
}
