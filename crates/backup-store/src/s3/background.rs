use crate::{Error, Result, SetupProblem};
use std::future::Future;
use std::sync::mpsc;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

/// A tokio runtime of its own, owned by a thread of its own: nobody waits for it inside another runtime, and nobody drops it
/// there, which tokio would not allow.
#[derive(Debug)]
pub(super) struct Background {
    handle: Handle,
    /// Dropped, it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(threads: usize) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Setup {
            problem: SetupProblem::Runtime,
            detail: format!("the threads for the network cannot be started: {error}"),
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(threads.max(1) + 2)
            .thread_name("si-backup-s3")
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name("si-backup-s3".to_owned())
            .spawn(move || {
                let _ = stopped.recv();
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Begins something that goes on while the caller does other things.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Pending<T> {
        let (tell, told) = mpsc::sync_channel(1);
        let task = self.handle.spawn(async move {
            let _ = tell.send(work.await);
        });
        Pending { told, task: Some(task) }
    }

    /// Does something and waits for it; also inside of another runtime, of which this blocks one thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.begin(work).wait()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Something that goes on in the background; dropped, it is given up.
#[derive(Debug)]
pub(super) struct Pending<T> {
    told: mpsc::Receiver<Result<T>>,
    task: Option<JoinHandle<()>>,
}

impl<T> Pending<T> {
    pub(super) fn wait(self) -> Result<T> {
        // Only a panic in the task leaves nothing to receive.
        self.told.recv().unwrap_or(Err(Error::Interrupted("the work in the background")))
    }

    /// Lets it go on, with nobody to tell of its end but whoever waits for the task.
    pub(super) fn detach(mut self) -> Option<JoinHandle<()>> {
        self.task.take()
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_and_ends_inside_of_another_runtime() {
        let outer = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let answer = outer.block_on(async {
            let background = Background::start(1).unwrap();
            let answer = background.run(async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                Ok(42)
            });
            drop(background);
            answer
        });
        assert_eq!(answer.unwrap(), 42);
        let single = Builder::new_current_thread().build().unwrap();
        assert_eq!(single.block_on(async { Background::start(1).unwrap().run(async { Ok(1) }) }).unwrap(), 1);
    }

    #[test]
    fn a_panic_is_an_error() {
        let background = Background::start(1).unwrap();
        let failed = background.run::<()>(async { panic!("a fault in the machinery") });
        assert_eq!(failed.unwrap_err().code(), "interrupted");
    }
}
