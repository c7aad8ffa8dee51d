; SPDX-License-Identifier: MIT OR Apache-2.0
;
; Drops ICMP, in the mnemonic dialect of uBPF and the BPF conformance suite.
;
;     skep run examples/drop_icmp.s -r examples/traffic.pcap -w no_icmp.pcap

.section xdp
drop_icmp:
    mov %r0, 2                      ; XDP_PASS
    ldxw %r2, [%r1+4]               ; xdp_md.data_end
    ldxw %r1, [%r1]                 ; xdp_md.data
    mov %r3, %r1
    add %r3, 34                     ; an Ethernet and an IPv4 header
    jgt %r3, %r2, done
    ldxh %r2, [%r1+12]              ; EtherType
    be16 %r2
    jne %r2, 0x800, done
    ldxb %r2, [%r1+23]              ; IPv4 protocol
    jne %r2, 1, done
    mov %r0, 1                      ; XDP_DROP
done:
    exit
