use crate::handle::failed;
use crate::{Error, Result};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

/// How many symbolic links a path may lead through: the kernel's own bound.
const MAX_LINKS: usize = 40;

/// Refuses a path inside a git work tree: one with a `.git`, directory or file, beside it or anywhere above, once all
/// symbolic links are followed. The path itself need not exist yet.
///
/// # Errors
/// [`Error::InsideGitWorkTree`]; [`Error::Io`] when a directory on the way cannot be searched, so that nobody can tell.
pub fn outside_git_work_tree(path: &Path) -> Result<()> {
    let resolved = resolve(path)?;
    for ancestor in resolved.ancestors() {
        let git = ancestor.join(".git");
        if exists(&git).map_err(failed("look at", &git))? {
            return Err(Error::InsideGitWorkTree { path: path.to_owned(), work_tree: ancestor.to_owned() });
        }
    }
    Ok(())
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where `path` leads, or would lead once what is missing on the way exists: unlike `canonicalize`, it also follows a link
/// that dangles.
fn resolve(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(failed("resolve", path))?;
    let mut ahead: VecDeque<OsString> = VecDeque::new();
    push_front(&mut ahead, &absolute);
    let mut resolved = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(failed("resolve", path)(io::Error::from(rustix::io::Errno::LOOP)));
                }
                let target = fs::read_link(&next).map_err(failed("read the link", &next))?;
                if target.is_absolute() {
                    resolved = PathBuf::from("/");
                }
                push_front(&mut ahead, &target);
            }
            Ok(_) => resolved = next,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                resolved = next;
            }
            Err(error) => return Err(failed("look at", next)(error)),
        }
    }
    Ok(resolved)
}

fn push_front(ahead: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_work_tree_is_found_from_everywhere_inside_it() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (tree, outside) = (home.join("tree"), home.join("outside"));
        fs::create_dir_all(tree.join("deep/er")).unwrap();
        fs::create_dir(tree.join(".git")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::create_dir(home.join("submodule")).unwrap();
        fs::write(home.join("submodule/.git"), "gitdir: elsewhere").unwrap();
        symlink(tree.join("deep"), outside.join("link")).unwrap();
        symlink("../tree/not-yet", outside.join("dangling")).unwrap();
        symlink("loop", outside.join("loop")).unwrap();

        for inside in [
            "tree",
            "tree/.git",
            "tree/deep/er",
            "tree/not/yet/there",
            "submodule/x",
            "outside/link",
            "outside/link/er/new",
            "outside/dangling",
            "outside/dangling/more",
            "outside/../tree/x",
            "outside/not-yet/../../tree/x",
        ] {
            let refused = outside_git_work_tree(&home.join(inside)).unwrap_err();
            assert!(matches!(refused, Error::InsideGitWorkTree { .. }), "{inside}: {refused}");
        }
        for fine in ["outside", "outside/new", "tree/..", "outside/link/../../outside", "new/x"] {
            outside_git_work_tree(&home.join(fine)).unwrap_or_else(|error| panic!("{fine}: {error}"));
        }
        outside_git_work_tree(&outside.join("loop/x")).unwrap_err();
    }
}
