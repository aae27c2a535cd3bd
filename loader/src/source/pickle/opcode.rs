//! The instructions of a pickle, by the names that CPython's `pickletools` gives them.

/// Declares the instructions that are understood, and the names of all that protocols 0 to 5 know.
macro_rules! opcodes {
    (understood { $($name:ident = $code:literal,)* } refused { $($other:ident = $other_code:literal,)* }) => {
        $(pub(super) const $name: u8 = $code;)*

        /// The name of an instruction, or its code.
        pub(super) fn name(opcode: u8) -> String {
            match opcode {
                $($code => stringify!($name).into(),)*
                $($other_code => stringify!($other).into(),)*
                _ => format!("0x{opcode:02x}"),
            }
        }
    };
}

opcodes! {
    understood {
        PROTO = 0x80,
        FRAME = 0x95,
        STOP = b'.',
        MARK = b'(',
        NONE = b'N',
        NEWTRUE = 0x88,
        NEWFALSE = 0x89,
        BININT = b'J',
        BININT1 = b'K',
        BININT2 = b'M',
        BINSTRING = b'T',
        SHORT_BINSTRING = b'U',
        BINBYTES = b'B',
        SHORT_BINBYTES = b'C',
        BINBYTES8 = 0x8e,
        BYTEARRAY8 = 0x96,
        BINUNICODE = b'X',
        SHORT_BINUNICODE = 0x8c,
        BINUNICODE8 = 0x8d,
        TUPLE = b't',
        TUPLE1 = 0x85,
        TUPLE2 = 0x86,
        TUPLE3 = 0x87,
        EMPTY_LIST = b']',
        APPEND = b'a',
        APPENDS = b'e',
        EMPTY_DICT = b'}',
        SETITEM = b's',
        SETITEMS = b'u',
        BINGET = b'h',
        LONG_BINGET = b'j',
        BINPUT = b'q',
        LONG_BINPUT = b'r',
        MEMOIZE = 0x94,
        GLOBAL = b'c',
        STACK_GLOBAL = 0x93,
        INST = b'i', // understood in so far as the name it asks for is told
        REDUCE = b'R',
        BUILD = b'b',
    }
    refused {
        POP = b'0',
        POP_MARK = b'1',
        DUP = b'2',
        FLOAT = b'F',
        INT = b'I',
        LONG = b'L',
        PERSID = b'P',
        BINPERSID = b'Q',
        STRING = b'S',
        UNICODE = b'V',
        DICT = b'd',
        GET = b'g',
        LIST = b'l',
        OBJ = b'o',
        PUT = b'p',
        EMPTY_TUPLE = b')',
        BINFLOAT = b'G',
        NEWOBJ = 0x81,
        EXT1 = 0x82,
        EXT2 = 0x83,
        EXT4 = 0x84,
        LONG1 = 0x8a,
        LONG4 = 0x8b,
        EMPTY_SET = 0x8f,
        ADDITEMS = 0x90,
        FROZENSET = 0x91,
        NEWOBJ_EX = 0x92,
        NEXT_BUFFER = 0x97,
        READONLY_BUFFER = 0x98,
    }
}
