//! Starts libFuzzer from within a test, with the arguments that the Makefile sets.

use std::ffi::{CString, c_char, c_int};
use std::io::{Error, Result};
use std::sync::OnceLock;

use libfuzzer_sys as _;

static CHECK: OnceLock<fn(&[u8])> = OnceLock::new();

type OneInput = unsafe extern "C" fn(*const u8, usize) -> c_int;

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(argc: *mut c_int, argv: *mut *mut *mut c_char, one_input: OneInput) -> c_int;
    fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> c_int;
}

/// Called by libfuzzer-sys with each input; a panic in it ends the process.
#[unsafe(no_mangle)]
#[expect(improper_ctypes_definitions, reason = "both sides are Rust")]
extern "C" fn rust_fuzzer_test_input(input: &[u8]) -> c_int {
    if let Some(check) = CHECK.get() {
        check(input);
    }
    0
}

/// Runs libFuzzer with the arguments in FUZZ_ARGS, of which the first is the program's name, and ends the process. Returns at once
/// if FUZZ_ARGS is not set.
pub fn run(check: fn(&[u8])) -> Result<()> {
    let Ok(args) = std::env::var("FUZZ_ARGS") else { return Ok(()) };
    let args: Vec<CString> =
        args.split_whitespace().map(CString::new).collect::<std::result::Result<_, _>>()?;
    let mut argc = c_int::try_from(args.len()).map_err(Error::other)?;
    let mut argv: Vec<*mut c_char> = args.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
    argv.push(std::ptr::null_mut());
    CHECK.get_or_init(|| check);
    let mut argv = argv.as_mut_ptr();
    // SAFETY: argv is a null-terminated array of argc strings; both stay valid until the driver returns.
    let code = unsafe { LLVMFuzzerRunDriver(&mut argc, &mut argv, LLVMFuzzerTestOneInput) };
    std::process::exit(code)
}
