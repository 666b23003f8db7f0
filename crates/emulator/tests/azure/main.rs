//! Entra ID and Resource Manager as foreign clients see them: an emulator in this process, and plain HTTP and JSON.

mod entra_tokens;
mod support;
