// Types whose layout, order or names are hard to write down.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
struct node;
typedef struct node node_t;
typedef int (*compare_t)(const node_t *, const node_t *, ...);
struct node { node_t *next; compare_t compare[3]; struct node **(*walk)(void (*)(node_t *)); };
struct packed { u8 a; u64 b; } __attribute__((packed));
struct holds_packed { u8 a; struct packed b; u32 c; };
struct odd { u32 a; u8 b; } __attribute__((packed));
struct lined { u8 a; u64 b __attribute__((aligned(64))); u8 c; } __attribute__((aligned(128)));
union padded { u8 a; u32 b; } __attribute__((aligned(32)));
struct bits {
	u32 a : 3; u32 : 5; u32 b : 9; u32 : 0; u32 c : 1;
	u64 d : 40; u8 e : 4; u8 f : 5; int g : 31; u8 tail;
};
struct packed_bits { u32 a : 30; u32 b : 30; u64 c : 61; u8 d; } __attribute__((packed));
struct enums {
	enum { ANON_A, ANON_B = 7 } x;
	enum small { SMALL } __attribute__((mode(byte))) y;
	enum big { BIG = 0xffffffff00000000ULL, LOW = 1 } z;
	enum neg { NEG = -0x7fffffffffffffffLL - 1, POS = 1 } n;
};
struct nested {
	int a;
	struct { u8 b; union { u32 c; struct { short d, e; }; }; };
	struct { u64 f; } g[2][3];
	union { void *const volatile *h; const char *i; } *j;
};
struct flexible { int n; struct { u8 a; u64 b; } data[]; };
struct grid { const int (*row)[4]; int *cells[2][5]; int (*call[6])(int (*)[2]); };
struct quals { const char *const name; volatile u32 *restrict reg; void (*const handler)(void); };
struct empty {};
struct empties { u8 a; struct empty b; u64 c; struct empty d[0]; };
struct floats { float f; double d; u8 tail; };
_Bool flag;
struct wide { __int128 a; u8 b; };
struct odd odd_;
struct holds_packed holds; struct lined lined; union padded padded; struct bits bits;
struct packed_bits packed_bits; struct enums enums; struct nested nested; struct flexible flexible;
struct grid grid; struct quals quals; struct empties empties; struct floats floats; struct wide wide;
struct node node_;
