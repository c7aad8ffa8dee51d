/* Asks libpcap for programs, one request a line:
 *
 *   SOURCE DLT SNAPLEN OPTIMISE NETMASK ROUNDS EXPRESSION
 *
 * SOURCE is dead (no capture), file (a capture file) or live (a packet socket on lo, Ethernet only).
 * Answers, one a line: "ok NANOSECONDS N CODE JT JF K ..." with the time of the quickest of ROUNDS
 * compilations, or "no MESSAGE".
 */
#define _GNU_SOURCE
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A capture file without packets. */
static pcap_t *file(int dlt, int snaplen)
{
	unsigned int header[6] = { 0 };
	char errbuf[PCAP_ERRBUF_SIZE];
	FILE *f;

	header[0] = 0xa1b2c3d4;
	header[1] = 2 | 4 << 16;
	header[4] = snaplen;
	header[5] = dlt == 12 ? 101 : dlt;
	f = fmemopen(header, sizeof(header), "r");
	return f ? pcap_fopen_offline(f, errbuf) : NULL;
}

static pcap_t *live(int snaplen)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create("lo", errbuf);

	if (p == NULL)
		return NULL;
	pcap_set_snaplen(p, snaplen);
	if (pcap_activate(p) < 0) {
		pcap_close(p);
		return NULL;
	}
	return p;
}

int main(void)
{
	static struct {
		char key[64];
		pcap_t *p;
	} handles[128];
	char *line = NULL, source[8], key[64];
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		int dlt, snaplen, optimise, rounds, at, round;
		unsigned int netmask, i;
		long long best = -1;
		struct bpf_program program;
		pcap_t *p;

		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%7s %d %d %d %u %d %n", source, &dlt, &snaplen, &optimise, &netmask,
			   &rounds, &at) != 6)
			return 1;
		snprintf(key, sizeof(key), "%s %d %d", source, dlt, snaplen);
		/* A handle stays open: that of a live capture takes long to open. */
		for (i = 0; i < 127 && handles[i].p != NULL && strcmp(key, handles[i].key) != 0; i++)
			;
		if (strcmp(key, handles[i].key) != 0) {
			if (handles[i].p != NULL)
				pcap_close(handles[i].p);
			if (strcmp(source, "file") == 0)
				handles[i].p = file(dlt, snaplen);
			else if (strcmp(source, "live") == 0)
				handles[i].p = live(snaplen);
			else
				handles[i].p = pcap_open_dead(dlt, snaplen);
			strcpy(handles[i].key, handles[i].p != NULL ? key : "");
		}
		p = handles[i].p;
		if (p == NULL) {
			puts("no handle");
			fflush(stdout);
			continue;
		}
		for (round = 0; round < rounds; round++) {
			long long start = now(), took;

			if (pcap_compile(p, &program, line + at, optimise, netmask) < 0)
				break;
			took = now() - start;
			if (best < 0 || took < best)
				best = took;
			if (round + 1 < rounds)
				pcap_freecode(&program);
		}
		if (round < rounds) {
			char *message = pcap_geterr(p), *c;

			for (c = message; *c; c++)
				if (*c == '\n')
					*c = ' ';
			printf("no %s\n", message);
		} else {
			printf("ok %lld %u", best, program.bf_len);
			for (i = 0; i < program.bf_len; i++)
				printf(" %u %u %u %u", program.bf_insns[i].code, program.bf_insns[i].jt,
				       program.bf_insns[i].jf, program.bf_insns[i].k);
			putchar('\n');
			pcap_freecode(&program);
		}
		fflush(stdout);
	}
	return 0;
}
